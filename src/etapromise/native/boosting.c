/* What quantile boosting does between two trees: gradients, renewal of the leaves' values, loss.
 *
 * A row's current quantile at level k is start[k] + shift[row][k]. Where a row is censored, its y is only
 * a lower bound. Its value is then spread over what the model expects above that bound (Efron 1967;
 * Portnoy 2003): with u = P(value <= y | x), it lies below the quantile of level t with probability
 * max(0, (t - u) / (1 - u)), and this mass stands at y; the rest stands at infinity. */
#include "etapromise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 64 };

typedef struct {
    int64_t levels;
    const double *level;     /* (levels,) ascending */
    const double *start;     /* (levels,) */
    const double *y;         /* (rows,) */
    const double *weight;    /* (rows,) or NULL: every row weighs 1 */
    const uint8_t *censored; /* (rows,) or NULL: no row is censored */
    float *shift;            /* (rows, levels) */
} etp_boosting;

static inline double quantile(const etp_boosting *b, int64_t row, int64_t k) {
    return b->start[k] + (double)b->shift[row * b->levels + k];
}

static void sorted_quantiles(const etp_boosting *b, int64_t row, double *out) {
    for (int64_t k = 0; k < b->levels; k++) {
        const double q = quantile(b, row, k);
        int64_t at = k;
        for (; at > 0 && out[at - 1] > q; at--) out[at] = out[at - 1];
        out[at] = q;
    }
}

/* P(value <= y) of the distribution with these quantiles: linear between them. Below the first an
 * exponential tail, as dense at the first quantile as the piece above it; above the last, any
 * number not below the last level serves, for all mass is at infinity then. */
static double probability_by(const etp_boosting *b, const double *q, double y) {
    const int64_t last = b->levels - 1;
    if (y >= q[last]) return b->level[last];
    if (y < q[0]) {
        if (last == 0 || q[1] <= q[0]) return 0.0;
        const double scale = b->level[0] * (q[1] - q[0]) / (b->level[1] - b->level[0]);
        return b->level[0] * exp((y - q[0]) / scale);
    }
    int64_t k = last - 1;
    while (q[k] > y) k--;
    return b->level[k] + (b->level[k + 1] - b->level[k]) * (y - q[k]) / (q[k + 1] - q[k]);
}

static inline double mass_below(double level, double u) {
    return level > u ? (level - u) / (1.0 - u) : 0.0;
}

/* below (rows, levels) of censored rows: the probability that the value lies below the quantile of each
 * level. Other rows are left as they are. */
ETP_EXPORT void etp_boosting_mass(const etp_boosting *b, int64_t first, int64_t last, float *below) {
    double q[MAX_LEVELS];
    for (int64_t i = first; i < last; i++) {
        if (!b->censored[i]) continue;
        sorted_quantiles(b, i, q);
        const double u = probability_by(b, q, b->y[i]);
        for (int64_t k = 0; k < b->levels; k++)
            below[i * b->levels + k] = (float)mass_below(b->level[k], u);
    }
}

/* Gradient of the pinball loss of level k for rows first to last, times the row's weight. */
ETP_EXPORT void etp_boosting_gradient(const etp_boosting *b, int64_t k, int64_t first,
                                      int64_t last, float *gradient) {
    double q[MAX_LEVELS];
    const double level = b->level[k];
    for (int64_t i = first; i < last; i++) {
        double below;
        if (b->censored && b->censored[i]) {
            sorted_quantiles(b, i, q);
            below = mass_below(level, probability_by(b, q, b->y[i]));
        } else {
            below = b->y[i] < quantile(b, i, k);
        }
        gradient[i] = (float)((below - level) * (b->weight ? b->weight[i] : 1.0));
    }
}

/* Group rows by leaf: order (rows,) has the rows of leaf 0, then of leaf 1, …, each ascending; start is
 * (leaves + 1,). */
ETP_EXPORT void etp_boosting_group(const uint8_t *leaf, int64_t rows, int64_t leaves,
                                   int32_t *order, int32_t *start) {
    int32_t next[256] = {0};
    for (int64_t i = 0; i < rows; i++) next[leaf[i]]++;
    int32_t total = 0;
    for (int64_t j = 0; j < leaves; j++) {
        start[j] = total;
        total += next[j];
        next[j] = start[j];
    }
    start[leaves] = total;
    for (int64_t i = 0; i < rows; i++) order[next[leaf[i]]++] = (int32_t)i;
}

/* shift += the values of each row's leaf, (leaves, levels). */
ETP_EXPORT void etp_boosting_add(const etp_boosting *b, const uint8_t *leaf, const float *value,
                                 int64_t first, int64_t last) {
    const int64_t levels = b->levels;
    for (int64_t i = first; i < last; i++) {
        float *shift = b->shift + i * levels;
        const float *add = value + leaf[i] * levels;
        for (int64_t k = 0; k < levels; k++) shift[k] += add[k];
    }
}

/* Floats as integers in the same order. */
static inline uint32_t ordered(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float unordered(uint32_t key) {
    const uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

enum { DIGIT = 11, BINS = 1 << DIGIT };

/* The smallest key such that the mass of all keys up to it reaches `target`, or the largest key if the
 * mass never does. Radix selection: the bin of the highest differing bits that holds the answer, then
 * the same within that bin. keys and mass are reordered. mass NULL: every key weighs 1. */
static uint32_t select_key(uint32_t *keys, float *mass, int64_t count, double target, double *bin) {
    double before = 0.0;
    for (;;) {
        uint32_t low = keys[0], high = keys[0];
        for (int64_t i = 1; i < count; i++) {
            low = keys[i] < low ? keys[i] : low;
            high = keys[i] > high ? keys[i] : high;
        }
        if (low == high) return low;
        int shift = 0;
        while ((high - low) >> shift >= BINS) shift++;
        const int64_t bins = (int64_t)((high - low) >> shift) + 1;
        for (int64_t j = 0; j < bins; j++) bin[j] = 0.0;
        if (mass)
            for (int64_t i = 0; i < count; i++) bin[(keys[i] - low) >> shift] += (double)mass[i];
        else
            for (int64_t i = 0; i < count; i++) bin[(keys[i] - low) >> shift] += 1.0;
        int64_t chosen = 0;
        for (; chosen < bins - 1 && before + bin[chosen] < target; chosen++) before += bin[chosen];
        int64_t kept = 0;
        for (int64_t i = 0; i < count; i++) {
            if ((int64_t)((keys[i] - low) >> shift) != chosen) continue;
            keys[kept] = keys[i];
            if (mass) mass[kept] = mass[i];
            kept++;
        }
        count = kept;
        if (shift == 0) return low + (uint32_t)chosen;
    }
}

/* Renew the values of the leaf with these rows: value[k] = rate times the weighted quantile, at level k,
 * of y minus the current quantile. Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_boosting_renew(const etp_boosting *b, const int32_t *rows, int64_t count,
                                  double rate, float *value) {
    const int64_t levels = b->levels;
    const int weighted = b->weight || b->censored;
    const size_t cells = (size_t)(count * levels);
    uint32_t *keys = malloc(cells * sizeof *keys + sizeof *keys);
    float *mass = weighted ? malloc(cells * sizeof *mass + sizeof *mass) : NULL;
    double *bin = malloc(BINS * sizeof *bin);
    if (!keys || !bin || (weighted && !mass)) {
        free(keys);
        free(mass);
        free(bin);
        return -1;
    }
    double total = 0.0, q[MAX_LEVELS];
    for (int64_t i = 0; i < count; i++) {
        const int64_t row = rows[i];
        const double weight = b->weight ? b->weight[row] : 1.0;
        const int open = b->censored && b->censored[row];
        double u = 0.0;
        if (open) {
            sorted_quantiles(b, row, q);
            u = probability_by(b, q, b->y[row]);
        }
        for (int64_t k = 0; k < levels; k++) {
            keys[k * count + i] = ordered((float)(b->y[row] - quantile(b, row, k)));
            if (weighted)
                mass[k * count + i] =
                    (float)(open ? weight * mass_below(b->level[k], u) : weight);
        }
        total += (double)(float)weight;
    }
    for (int64_t k = 0; k < levels; k++) {
        float *masses = weighted ? mass + k * count : NULL;
        const uint32_t key =
            count ? select_key(keys + k * count, masses, count, b->level[k] * total, bin)
                  : ordered(0.0f);
        value[k] = (float)(rate * (double)unordered(key));
    }
    free(keys);
    free(mass);
    free(bin);
    return 0;
}

/* Sum over rows first to last of weight times the pinball loss, summed over levels, of the sorted
 * quantiles. `below` (rows, levels) are the masses of censored rows under a fixed reference: what
 * lies above their quantile counts as a far-away value, so only differences of losses under the same
 * masses mean something. */
ETP_EXPORT double etp_boosting_loss(const etp_boosting *b, const float *below, int64_t first,
                                    int64_t last) {
    double q[MAX_LEVELS], sum = 0.0;
    for (int64_t i = first; i < last; i++) {
        sorted_quantiles(b, i, q);
        const int open = b->censored && b->censored[i];
        double loss = 0.0;
        for (int64_t k = 0; k < b->levels; k++) {
            const double level = b->level[k], error = b->y[i] - q[k];
            const double pinball = error >= 0 ? level * error : (level - 1.0) * error;
            if (open) {
                const double mass = (double)below[i * b->levels + k];
                loss += mass * pinball + (1.0 - mass) * level * error;
            } else {
                loss += pinball;
            }
        }
        sum += loss * (b->weight ? b->weight[i] : 1.0);
    }
    return sum;
}
