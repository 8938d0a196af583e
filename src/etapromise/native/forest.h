/* A forest of binary trees whose leaves hold one value per quantile level.
 *
 * The trees compare small integers. A *column* holds, for one feature, how many of up to 254 of the
 * forest's own thresholds lie below the value: its code. `value <= thresholds[rank]` is then exactly
 * `code <= rank`, whatever the type of the value, so that every code path takes the same branches.
 * A missing value has code 0 in a column that sends it left everywhere, 255 in one that sends it right. */
#ifndef ETAPROMISE_FOREST_H
#define ETAPROMISE_FOREST_H

#include "etapromise.h"

enum {
    ETP_MAX_COLUMNS = 65535,
    ETP_MAX_LEAVES = 256, /* of one tree: a leaf's number is one byte */
    ETP_MAX_LEVELS = 64,
    ETP_LANE = 8,         /* leaf values are padded to a multiple of this many floats */
    ETP_LEAF_ROW = 256    /* children from here on are leaves */
};

typedef struct {
    int32_t feature;
    int32_t first;       /* index of the first threshold */
    int32_t count;       /* thresholds, ascending, at most 254 */
    int32_t source;      /* an earlier column with the same thresholds, or this one */
    uint8_t nan_code;    /* code of NaN */
    uint8_t zero_is_nan; /* whether |value| <= 1e-35 counts as NaN */
    uint8_t unused[6];
} etp_column;

typedef struct {
    uint16_t column;
    uint16_t left; /* a node of the same tree, or ETP_LEAF_ROW + leaf */
    uint16_t right;
    uint8_t rank;
    uint8_t unused;
} etp_node;

typedef struct {
    int64_t features;
    int64_t levels;
    int64_t width; /* levels padded to ETP_LANE */
    int64_t trees;
    int64_t columns;
    const etp_column *column;
    const double *threshold;        /* for rows of doubles */
    const float *threshold_rounded; /* the same rounded down: exact for rows of floats */
    const int32_t *node_start;      /* (trees + 1,) */
    const etp_node *node;           /* children follow their parent */
    const int32_t *leaf_start;      /* (trees + 1,) */
    const float *value;             /* (leaves, width), 64-byte aligned */
    const double *start;            /* (levels,) */
} etp_forest;

/* Quantiles of one row of `features` values into out (levels,), ascending. `codes` is scratch of
 * columns + 64 bytes. */
ETP_EXPORT void etp_forest_row(const etp_forest *forest, const float *x, double *out,
                               uint8_t *codes);
ETP_EXPORT void etp_forest_row_double(const etp_forest *forest, const double *x, double *out,
                                      uint8_t *codes);

#endif
