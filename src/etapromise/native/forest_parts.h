/* Inline parts that the one-row and the batch kernel of the forest share. */
#ifndef ETAPROMISE_FOREST_PARTS_H
#define ETAPROMISE_FOREST_PARTS_H

#include "forest.h"

#define ETP_INLINE static inline __attribute__((always_inline, unused))

/* LightGBM reads values this close to zero as zero (its kZeroThreshold, a float). */
static const double ETP_ZERO = (double)1e-35f;

#define ETP_DEFINE_CODE(NAME, TYPE, THRESHOLDS)                                                   \
    ETP_INLINE uint8_t NAME(const etp_forest *forest, int64_t index, TYPE x) {                    \
        const etp_column *column = forest->column + index;                                        \
        if (x != x || (column->zero_is_nan && x <= ETP_ZERO && x >= -ETP_ZERO))                   \
            return column->nan_code;                                                              \
        const TYPE *threshold = forest->THRESHOLDS + column->first;                               \
        /* How many thresholds lie below x: a binary search without branches. */                  \
        int32_t below = 0, left = column->count;                                                  \
        while (left > 1) {                                                                        \
            const int32_t half = left >> 1;                                                       \
            below += threshold[below + half - 1] < x ? half : 0;                                  \
            left -= half;                                                                         \
        }                                                                                         \
        return (uint8_t)(below + (threshold[below] < x));                                         \
    }

ETP_DEFINE_CODE(etp_code_float, float, threshold_rounded)
ETP_DEFINE_CODE(etp_code_double, double, threshold)

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
