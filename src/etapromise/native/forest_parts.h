/* Inline parts that the one-row and the batch kernel of the forest share. */
#ifndef ETAPROMISE_FOREST_PARTS_H
#define ETAPROMISE_FOREST_PARTS_H

#include "forest.h"

#define ETP_INLINE static inline __attribute__((always_inline, unused))

/* LightGBM reads values this close to zero as zero (its kZeroThreshold, a float). */
static const double ETP_ZERO = (double)1e-35f;

/* How many of `count` thresholds lie below x: a binary search without branches. */
#define ETP_DEFINE_BELOW(NAME, TYPE)                                                              \
    ETP_INLINE uint8_t NAME(const TYPE *threshold, int32_t count, TYPE x) {                       \
        const TYPE *at = threshold;                                                               \
        for (int32_t left = count; left > 1;) {                                                   \
            const int32_t half = left >> 1;                                                       \
            at += half & -(int32_t)(at[half - 1] < x); /* a conditional would become a jump */  \
            left -= half;                                                                         \
        }                                                                                         \
        return (uint8_t)(at - threshold + (*at < x));                                             \
    }

ETP_DEFINE_BELOW(etp_below_float, float)

/* Monotone rearrangement (Chernozhukov, Fernández-Val & Galichon 2010): sorted quantiles never cross
 * and are never worse. They hardly ever do cross, so insertion sort is one pass. */
ETP_INLINE void etp_finish_row(const etp_forest *forest, const float *sum, double *out) {
    for (int64_t k = 0; k < forest->levels; k++) {
        const double quantile = forest->start[k] + (double)sum[k];
        int64_t at = k;
        for (; at > 0 && out[at - 1] > quantile; at--) out[at] = out[at - 1];
        out[at] = quantile;
    }
}

#endif
