/* Which row has which identifier: a table of texts, asked for many at a time. */
#include "etapromise.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *text;
    const void *offset; /* Arrow's: (count + 1,) int32 or int64 */
    int64_t wide;       /* 1: int64 */
} etp_texts;

typedef struct {
    etp_texts texts; /* of the identifiers; the caller keeps them */
    uint64_t mask;
    uint64_t *slot; /* upper half of the hash, and row + 1 */
} etp_identifiers;

enum { GROUP = 32 };

static inline int64_t offset_at(const etp_texts *texts, int64_t i) {
    return texts->wide ? ((const int64_t *)texts->offset)[i] : ((const int32_t *)texts->offset)[i];
}

static inline uint64_t load(const uint8_t *text, size_t bytes) {
    uint64_t word = 0;
    memcpy(&word, text, bytes);
    return word;
}

static inline uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static inline uint64_t hash_of(const uint8_t *text, int64_t length) {
    uint64_t hash = mix(0x2545f4914f6cdd1du, (uint64_t)length);
    for (; length > 8; text += 8, length -= 8) hash = mix(hash, load(text, 8));
    /* A whole word and a shift would be quicker, and would read beyond the text. */
    if (length == 8)
        hash = mix(hash, load(text, 8));
    else if (length >= 4)
        hash = mix(hash, load(text, 4) | load(text + length - 4, 4) << 32);
    else if (length > 0)
        hash = mix(hash, text[0] | (uint64_t)text[length / 2] << 8 | (uint64_t)text[length - 1] << 16);
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 29;
}

static inline int same(const uint8_t *a, const uint8_t *b, int64_t length) {
    if (length == 8) return load(a, 8) == load(b, 8);
    if (length > 8 && length <= 16)
        return load(a, 8) == load(b, 8) && load(a + length - 8, 8) == load(b + length - 8, 8);
    return memcmp(a, b, (size_t)length) == 0;
}

/* The row with this text, or -1; *at is the slot where it is or would be. */
static inline int64_t find(const etp_identifiers *ids, const uint8_t *text, int64_t length,
                           uint64_t hash, uint64_t *at) {
    for (uint64_t i = hash & ids->mask;; i = (i + 1) & ids->mask) {
        *at = i;
        if (!ids->slot[i]) return -1;
        if ((ids->slot[i] ^ hash) >> 32) continue;
        const int64_t row = (int64_t)(uint32_t)ids->slot[i] - 1;
        const int64_t start = offset_at(&ids->texts, row);
        if (offset_at(&ids->texts, row + 1) - start == length &&
            same(ids->texts.text + start, text, length))
            return row;
    }
}

ETP_EXPORT void etp_identifiers_free(etp_identifiers *ids) {
    free(ids->slot);
    free(ids);
}

/* A table of `count` texts, fewer than 2^31, or NULL if there is no memory. *doubled is the first row whose
 * text an earlier one has, or -1. */
ETP_EXPORT etp_identifiers *etp_identifiers_new(const etp_texts *texts, int64_t count,
                                                int64_t *doubled) {
    etp_identifiers *ids = malloc(sizeof *ids);
    if (!ids) return NULL;
    uint64_t slots = 64;
    while (slots < 2 * (uint64_t)count) slots *= 2;
    ids->texts = *texts;
    ids->mask = slots - 1;
    ids->slot = calloc(slots, sizeof *ids->slot);
    if (!ids->slot) {
        free(ids);
        return NULL;
    }
    *doubled = -1;
    uint64_t hash[GROUP];
    for (int64_t first = 0; first < count && *doubled < 0; first += GROUP) {
        const int64_t last = first + GROUP < count ? first + GROUP : count;
        for (int64_t i = first; i < last; i++) {
            const int64_t start = offset_at(texts, i);
            hash[i - first] = hash_of(texts->text + start, offset_at(texts, i + 1) - start);
            __builtin_prefetch(&ids->slot[hash[i - first] & ids->mask], 1);
        }
        for (int64_t i = first; i < last && *doubled < 0; i++) {
            const int64_t start = offset_at(texts, i);
            uint64_t at;
            if (find(ids, texts->text + start, offset_at(texts, i + 1) - start, hash[i - first], &at) >= 0)
                *doubled = i;
            ids->slot[at] = (hash[i - first] >> 32 << 32) | (uint64_t)(i + 1);
        }
    }
    return ids;
}

/* row (count,): which identifier each text is, -1 if none. */
ETP_EXPORT void etp_identifiers_find(const etp_identifiers *ids, const etp_texts *texts, int64_t count,
                                     int32_t *row) {
    uint64_t hash[GROUP];
    for (int64_t first = 0; first < count; first += GROUP) {
        const int64_t last = first + GROUP < count ? first + GROUP : count;
        for (int64_t i = first; i < last; i++) {
            const int64_t start = offset_at(texts, i);
            hash[i - first] = hash_of(texts->text + start, offset_at(texts, i + 1) - start);
            __builtin_prefetch(&ids->slot[hash[i - first] & ids->mask]);
        }
        for (int64_t i = first; i < last; i++) {
            const uint64_t slot = ids->slot[hash[i - first] & ids->mask];
            if (!slot) continue;
            const int64_t found = (int64_t)(uint32_t)slot - 1;
            __builtin_prefetch((const char *)ids->texts.offset + (found << (2 + ids->texts.wide)));
        }
        for (int64_t i = first; i < last; i++) {
            const uint64_t slot = ids->slot[hash[i - first] & ids->mask];
            if (slot) __builtin_prefetch(ids->texts.text + offset_at(&ids->texts, (int64_t)(uint32_t)slot - 1));
        }
        for (int64_t i = first; i < last; i++) {
            const int64_t start = offset_at(texts, i);
            uint64_t at;
            row[i] = (int32_t)find(ids, texts->text + start, offset_at(texts, i + 1) - start,
                                   hash[i - first], &at);
        }
    }
}

static inline int is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static int single_blanks(const uint8_t *text, int64_t length) {
    if (text[0] == ' ' || text[length - 1] == ' ') return 0;
    for (int64_t k = 1; k < length; k++)
        if (text[k] == ' ' && text[k - 1] == ' ') return 0;
    return 1;
}

/* Placeholders have 13 characters at most, and those with a digit have a #. */
static int surely_said(const uint8_t *text, int64_t length, int marks) {
    if (length > 13) return 1;
    int64_t k = length;
    while (k > 0 && !is_digit(text[k - 1])) k--;
    return k > 0 && (!marks || !memchr(text, '#', (size_t)length));
}

/* Whether every text is plain: printable ASCII, not empty, no blank at an end or beside another, and no
 * apostrophe in front; if `said`, also that none may be a placeholder. What is not plain is left to a
 * closer look. */
ETP_EXPORT int etp_texts_plain(const etp_texts *texts, int64_t count, int said) {
    const int64_t first = offset_at(texts, 0), last = offset_at(texts, count);
    if (first == last) return count == 0;
    const uint8_t *text = texts->text;
    unsigned odd = 0;
    for (int64_t k = first; k < last; k++) odd |= (uint8_t)(text[k] - ' ') > '~' - ' ';
    if (odd) return 0;
    const int blanks = memchr(text + first, ' ', (size_t)(last - first)) != NULL;
    const int marks = memchr(text + first, '#', (size_t)(last - first)) != NULL;
    for (int64_t i = 0; i < count; i++) {
        const int64_t start = offset_at(texts, i), length = offset_at(texts, i + 1) - start;
        if (length == 0 || text[start] == '\'') return 0;
        if (blanks && !single_blanks(text + start, length)) return 0;
        if (said && !surely_said(text + start, length, marks)) return 0;
    }
    return 1;
}

/* Whether a text is a number as floats are written: 12.0, 1.2e+5, 1,2E+5, 1.2E5. Programs write one digit before an
 * exponent, and a point or a plus; 0012e345 is a number of sixteen digits that someone counts in. */
static int of_float(const uint8_t *text, int64_t length) {
    if (length < 3 || !is_digit(text[0]) || !is_digit(text[length - 1])) return 0;
    int64_t k = 0;
    while (k < length && is_digit(text[k])) k++;
    if (k == length) return 0;
    const int comma = text[k] == ',';
    int marked = k > 1 ? -1 : comma || text[k] == '.';
    if (comma || text[k] == '.') {
        const int64_t point = k++;
        int zeros = 1;
        for (; k < length && is_digit(text[k]); k++) zeros &= text[k] == '0';
        if (k == length) return zeros && !comma;
        if (k == point + 1) return 0;
    }
    if (marked < 0 || (text[k] != 'e' && text[k] != 'E')) return 0;
    if (text[++k] == '+') {
        k++;
        marked = 1;
    }
    if (k == length || !marked) return 0;
    while (k < length && is_digit(text[k])) k++;
    return k == length;
}

/* found: (count,) zeros, set where a text is a whole number that went through a float. Returns whether any is. */
ETP_EXPORT int etp_texts_of_floats(const etp_texts *texts, int64_t count, uint8_t *found) {
    int any = 0;
    const int64_t first = offset_at(texts, 0);
    const size_t length = (size_t)(offset_at(texts, count) - first);
    if (!length || !(memchr(texts->text + first, '.', length) || memchr(texts->text + first, 'e', length) ||
                     memchr(texts->text + first, 'E', length)))
        return 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t start = offset_at(texts, i);
        found[i] = (uint8_t)of_float(texts->text + start, offset_at(texts, i + 1) - start);
        any |= found[i];
    }
    return any;
}

/* shape: (count,) the kinds of each text's characters, three bits each, the last one lowest: 1 a digit, 2 a
 * capital, 3 a small letter, 4 a blank, 5 a hyphen; 0 if there are others, none, or more than 21. */
ETP_EXPORT void etp_texts_shapes(const etp_texts *texts, int64_t count, uint64_t *shape) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t start = offset_at(texts, i), end = offset_at(texts, i + 1);
        uint64_t found = 0;
        for (int64_t k = end - start > 21 ? end : start; k < end; k++) {
            const uint8_t c = texts->text[k];
            const unsigned kind = is_digit(c)             ? 1
                                  : c >= 'A' && c <= 'Z' ? 2
                                  : c >= 'a' && c <= 'z' ? 3
                                  : c == ' '             ? 4
                                  : c == '-'             ? 5
                                                         : 0;
            if (kind == 0) {
                found = 0;
                break;
            }
            found = found << 3 | kind;
        }
        shape[i] = found;
    }
}
