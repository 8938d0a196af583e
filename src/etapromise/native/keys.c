/* A hash table over texts. */
#include "keys.h"

#include <string.h>

/* FNV-1a: a byte at a time, so that the parts of a key need not be joined to be hashed. */
#define HASH_START 0xcbf29ce484222325ull
#define HASH_FACTOR 0x100000001b3ull

static uint64_t hashed(uint64_t hash, const uint8_t *bytes, int64_t length) {
    for (int64_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * HASH_FACTOR;
    return hash;
}

/* The low bits of FNV are its weakest. */
static int64_t first_slot(const etp_keys *keys, uint64_t hash) {
    return (int64_t)(hash ^ hash >> 29) & keys->mask;
}

static int is_joined(const uint8_t *key, int64_t length, const etp_text *part, int64_t parts,
                     uint8_t separator) {
    for (int64_t p = 0; p < parts; p++) {
        if (p) {
            if (!length || *key != separator)
                return 0;
            key++, length--;
        }
        /* An empty part may have no address, which memcmp must not be given. */
        if (part[p].length > length ||
            (part[p].length && memcmp(key, part[p].bytes, (size_t)part[p].length) != 0))
            return 0;
        key += part[p].length;
        length -= part[p].length;
    }
    return length == 0;
}

int32_t etp_keys_find(const etp_keys *keys, const etp_text *part, int64_t parts,
                      uint8_t separator) {
    uint64_t hash = HASH_START;
    for (int64_t p = 0; p < parts; p++) {
        if (p)
            hash = hashed(hash, &separator, 1);
        hash = hashed(hash, part[p].bytes, part[p].length);
    }
    for (int64_t at = first_slot(keys, hash);; at = (at + 1) & keys->mask) {
        const int32_t row = keys->slot[at];
        if (!row)
            return 0;
        const int64_t start = keys->start[row - 1];
        if (is_joined(keys->bytes + start, keys->start[row] - start, part, parts, separator))
            return row;
    }
}

void etp_keys_build(const etp_keys *keys, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const etp_text key = {keys->bytes + keys->start[i], keys->start[i + 1] - keys->start[i]};
        int64_t at = first_slot(keys, hashed(HASH_START, key.bytes, key.length));
        for (; keys->slot[at]; at = (at + 1) & keys->mask) {
            const int64_t other = keys->slot[at] - 1, start = keys->start[other];
            if (is_joined(keys->bytes + start, keys->start[other + 1] - start, &key, 1, 0))
                break;
        }
        keys->slot[at] = (int32_t)(i + 1);
    }
}

/* The rows of n keys, given like those of the table, into out (n,). */
ETP_EXPORT void etp_keys_rows(const etp_keys *keys, int64_t n, const uint8_t *bytes,
                              const int64_t *start, int32_t *out) {
    for (int64_t i = 0; i < n; i++) {
        const etp_text key = {bytes + start[i], start[i + 1] - start[i]};
        out[i] = etp_keys_find(keys, &key, 1, 0);
    }
}
