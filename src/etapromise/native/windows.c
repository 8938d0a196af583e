/* Histograms of whole-day durations by key and day, and statistics of windows of days before a day.
 *
 * A cell is a key, a day and a duration in one number, so that sorted cells stand by key, then day, then
 * duration: key in the upper 32 bits, then the day (since 1970-01-01), then the duration plus 32768. */
#include "etapromise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_BITS = 16, DURATION_BITS = 16, DURATION_ZERO = 1 << 15, DIGIT = 11, DIGITS = 1 << DIGIT };
/* Answers are written all over the place: fetch where one goes this many queries before. */
enum { AHEAD = 24 };

/* Sort by the bits from `low` on, least significant digit first. The result is in `values`; `spare` is as
 * long. Digits that are equal everywhere cost one look. */
static void sort_from_bit(uint64_t *values, uint64_t *spare, int64_t count, int low) {
    uint64_t all = ~(uint64_t)0, any = 0;
    for (int64_t i = 0; i < count; i++) {
        all &= values[i];
        any |= values[i];
    }
    const uint64_t differing = all ^ any;
    uint64_t *from = values, *to = spare;
    for (int shift = low; shift < 64; shift += DIGIT) {
        if (!((differing >> shift) & (DIGITS - 1))) continue;
        int64_t next[DIGITS] = {0};
        for (int64_t i = 0; i < count; i++) next[(from[i] >> shift) & (DIGITS - 1)]++;
        int64_t total = 0;
        for (int digit = 0; digit < DIGITS; digit++) {
            const int64_t here = next[digit];
            next[digit] = total;
            total += here;
        }
        for (int64_t i = 0; i < count; i++) to[next[(from[i] >> shift) & (DIGITS - 1)]++] = from[i];
        uint64_t *const swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, (size_t)count * sizeof *values);
}

/* The distinct cells of `count` parcels, ascending, and how many parcels each has. cell and parcels have
 * room for `count`. Returns the number of cells, or -1 if there is no memory. */
ETP_EXPORT int64_t etp_windows_count(const int32_t *key, const int32_t *day, const int32_t *duration,
                                     int64_t count, uint64_t *cell, int64_t *parcels) {
    uint64_t *spare = malloc((size_t)count * sizeof *spare + sizeof *spare);
    if (!spare) return -1;
    for (int64_t i = 0; i < count; i++)
        cell[i] = (uint64_t)(uint32_t)key[i] << (DAY_BITS + DURATION_BITS) |
                  (uint64_t)(uint32_t)day[i] << DURATION_BITS |
                  (uint64_t)(uint32_t)(duration[i] + DURATION_ZERO);
    sort_from_bit(cell, spare, count, 0);
    free(spare);
    int64_t cells = 0;
    for (int64_t i = 0; i < count; cells++) {
        const uint64_t here = cell[i];
        const int64_t start = i;
        while (i < count && cell[i] == here) i++;
        cell[cells] = here;
        parcels[cells] = i - start;
    }
    return cells;
}

/* The sum of two histograms; cell and parcels have room for both. Returns the number of cells. */
ETP_EXPORT int64_t etp_windows_merge(const uint64_t *a_cell, const int64_t *a_parcels, int64_t a_cells,
                                     const uint64_t *b_cell, const int64_t *b_parcels, int64_t b_cells,
                                     uint64_t *cell, int64_t *parcels) {
    int64_t a = 0, b = 0, cells = 0;
    while (a < a_cells || b < b_cells) {
        const uint64_t from_a = a < a_cells ? a_cell[a] : UINT64_MAX;
        const uint64_t from_b = b < b_cells ? b_cell[b] : UINT64_MAX;
        /* A cell never is UINT64_MAX: keys are not negative. */
        const uint64_t here = from_a < from_b ? from_a : from_b;
        cell[cells] = here;
        parcels[cells] = (from_a == here ? a_parcels[a++] : 0) + (from_b == here ? b_parcels[b++] : 0);
        cells++;
    }
    return cells;
}

typedef struct {
    int64_t cells;
    const uint64_t *cell;   /* (cells,) ascending */
    const int64_t *parcels; /* (cells,) */
    int64_t lowest;         /* smallest duration, plus DURATION_ZERO */
    int64_t bins;           /* durations from the smallest to the largest */
    int64_t windows;
    const int32_t *window; /* (windows,) days */
    int64_t levels;
    const double *level; /* (levels,) ascending */
    const int32_t *key;  /* (queries,) negative: unknown */
    const int32_t *day;  /* (queries,) */
    uint8_t *answer;     /* (queries, windows) records: int64 count, double mean, float quantile[levels] */
} etp_windows;

/* The parcels of one window: cells from `first` up to `end`. */
typedef struct {
    int64_t first, end, count, sum;
    int64_t *histogram; /* (bins,) */
} etp_window;

static int64_t lower_bound(const etp_windows *w, int64_t from, uint64_t bound) {
    int64_t low = from, high = w->cells;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (w->cell[middle] < bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline void count_cell(const etp_windows *w, etp_window *state, int64_t cell, int64_t sign) {
    const int64_t duration = (int64_t)(w->cell[cell] & ((1u << DURATION_BITS) - 1));
    const int64_t parcels = sign * w->parcels[cell];
    state->histogram[duration - w->lowest] += parcels;
    state->count += parcels;
    state->sum += parcels * (duration - DURATION_ZERO);
}

/* Move the window to the cells from `low` up to `high`; it only ever moves onwards. */
static void move_window(const etp_windows *w, etp_window *state, uint64_t low, uint64_t high) {
    if (state->first == state->end || w->cell[state->end - 1] < low) {
        for (int64_t i = state->first; i < state->end; i++) count_cell(w, state, i, -1);
        state->first = state->end = lower_bound(w, state->end, low);
    }
    while (state->end < w->cells && w->cell[state->end] < high) count_cell(w, state, state->end++, 1);
    while (state->first < state->end && w->cell[state->first] < low)
        count_cell(w, state, state->first++, -1);
}

static void write_answer(const etp_windows *w, const etp_window *state, uint8_t *record) {
    const double mean = state->count ? (double)state->sum / (double)state->count : NAN;
    memcpy(record, &state->count, sizeof state->count);
    memcpy(record + 8, &mean, sizeof mean);
    int64_t bin = -1, reached = 0;
    for (int64_t k = 0; k < w->levels; k++) {
        float quantile = NAN;
        if (state->count) {
            /* 0.55 × 100 is 55.00000000000001 in binary: the rank meant is 55. */
            const double meant = ceil(w->level[k] * (double)state->count - 1e-9);
            const int64_t rank = meant < 1.0 ? 1 : (int64_t)meant;
            while (reached < rank) reached += state->histogram[++bin];
            quantile = (float)(bin + w->lowest - DURATION_ZERO);
        }
        memcpy(record + 16 + 4 * k, &quantile, sizeof quantile);
    }
}

/* Answer the queries from `first` up to `last`, at most 2^(48 - key_bits) of them, where every key is
 * below 2^key_bits and key_bits is from 1 to 31. Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_windows_answer(const etp_windows *w, int64_t first, int64_t last, int key_bits) {
    const int64_t count = last - first;
    const int position_bits = 64 - DAY_BITS - key_bits;
    const uint64_t position_mask = ((uint64_t)1 << position_bits) - 1;
    const int64_t record = 16 + 4 * w->levels, answer = record * w->windows;
    uint64_t *query = malloc((size_t)count * sizeof *query + sizeof *query);
    uint64_t *spare = malloc((size_t)count * sizeof *spare + sizeof *spare);
    etp_window *state = calloc((size_t)w->windows, sizeof *state);
    int64_t *histogram = calloc((size_t)(w->windows * w->bins) + 1, sizeof *histogram);
    int failed = !query || !spare || !state || !histogram;
    if (!failed) {
        for (int64_t j = 0; j < w->windows; j++) state[j].histogram = histogram + j * w->bins;
        int64_t asked = 0;
        for (int64_t i = 0; i < count; i++) {
            if (w->key[first + i] >= 0)
                query[asked++] = (uint64_t)(uint32_t)w->key[first + i] << (64 - key_bits) |
                                 (uint64_t)(uint32_t)w->day[first + i] << position_bits | (uint64_t)i;
            else
                for (int64_t j = 0; j < w->windows; j++)
                    write_answer(w, &state[j], w->answer + (first + i) * answer + j * record);
        }
        sort_from_bit(query, spare, asked, position_bits);
        const uint8_t *same = NULL;
        for (int64_t i = 0; i < asked; i++) {
            uint8_t *out = w->answer + (first + (int64_t)(query[i] & position_mask)) * answer;
            if (i + AHEAD < asked)
                __builtin_prefetch(
                    w->answer + (first + (int64_t)(query[i + AHEAD] & position_mask)) * answer, 1);
            if (same && query[i] >> position_bits == query[i - 1] >> position_bits) {
                memcpy(out, same, (size_t)answer);
                continue;
            }
            const int64_t day = (int64_t)(query[i] >> position_bits & ((1u << DAY_BITS) - 1));
            const uint64_t cells_of_key = query[i] >> (64 - key_bits) << (DAY_BITS + DURATION_BITS);
            const uint64_t high = cells_of_key | (uint64_t)day << DURATION_BITS;
            for (int64_t j = 0; j < w->windows; j++) {
                const int64_t since = day > w->window[j] ? day - w->window[j] : 0;
                move_window(w, &state[j], cells_of_key | (uint64_t)since << DURATION_BITS, high);
                write_answer(w, &state[j], out + j * record);
            }
            same = out;
        }
    }
    free(query);
    free(spare);
    free(state);
    free(histogram);
    return failed ? -1 : 0;
}
