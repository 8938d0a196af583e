/* A forest of binary trees whose leaves hold one value per quantile level.
 *
 * The trees compare small integers. A *column* holds, for one feature, how many of up to 254 of the
 * forest's own thresholds lie below the value: its code. `value <= thresholds[rank]` is then exactly
 * `code <= rank`, whatever the type of the value, so that every code path takes the same branches.
 * A missing value has code 0 in a column that sends it left everywhere, 255 in one that sends it right.
 *
 * Leaves are counted from left to right. For one row there is a second layout of the same trees, for
 * AVX-512: see etp_bundle. */
#ifndef ETAPROMISE_FOREST_H
#define ETAPROMISE_FOREST_H

#include "etapromise.h"

enum {
    ETP_MAX_COLUMNS = 65535,
    ETP_MAX_LEAVES = 256, /* of one tree: a leaf's number is one byte */
    ETP_MAX_LEVELS = 64,
    ETP_LANE = 16,        /* leaf values are padded to a multiple of this many floats: 64 bytes */
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

/* 16 columns once more, field by field. */
typedef struct {
    int32_t feature[16];
    int32_t first[16];
    int32_t count[16]; /* 1 where there is no such column */
    uint8_t nan_code[16];
    uint8_t zero_is_nan[16];
    uint8_t unused[32];
} etp_column_bundle;

/* Four nodes of each of 16 trees. A row starts with all leaves of a tree possible; a node that sends it
 * right rules out the leaves on its left; the first leaf that is left over is the row's (Lucchese et al.
 * 2015, QuickScorer). So a tree is no walk but a scan, 16 trees at a time. Trees of up to 32 leaves. */
typedef struct {
    uint8_t column[64]; /* node 0 of 16 trees, then node 1, … */
    uint8_t rank[64];   /* 255, which no code exceeds, where a tree has no such node */
    uint32_t remaining[4][16];
} etp_bundle;

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
    const uint8_t *leaf_number;     /* (leaves,) the caller's number of each leaf of its tree */
    int64_t groups;                 /* of 16 trees; 0 if the trees do not fit etp_bundle */
    const int32_t *bundle_start;    /* (groups + 1,) */
    const etp_bundle *bundle;       /* 64-byte aligned */
    const etp_column_bundle *column_bundle; /* (ceil(columns / 16),), 64-byte aligned */
} etp_forest;

/* Quantiles of one row of `features` values into out (levels,), ascending. `codes` is scratch of
 * columns + 64 bytes. */
ETP_EXPORT void etp_forest_row(const etp_forest *forest, const float *x, double *out,
                               uint8_t *codes);

/* The codes of one row of `features` values into codes (columns,). */
void etp_forest_codes(const etp_forest *forest, const float *x, uint8_t *codes);

/* x is (rows, features) of doubles if `is_double`, else of floats; out is (rows, levels).
 * Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_forest_predict(const etp_forest *forest, const void *x, int is_double,
                                  int64_t rows, double *out);

#endif
