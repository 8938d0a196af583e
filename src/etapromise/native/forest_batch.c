/* The forest on many rows.
 *
 * A block of 64 rows goes through a tree node by node, last node first: for every node all 64 codes are
 * compared at once, and the leaf numbers of the two children are blended. There is no branch, no gather
 * and no limit on the tree's shape, and a tree of 31 leaves costs 30 compares and 30 blends of 64 bytes.
 * Then the leaves' values are added tree by tree, in the order of the one-row path, so that the sums are
 * the same bits. */
#include "forest_parts.h"

#include <stdlib.h>
#include <string.h>

#ifdef ETP_X86
#include <immintrin.h>
#endif

enum { BLOCK = 64, TREES_AT_ONCE = 16 };

typedef uint8_t bytes __attribute__((vector_size(BLOCK)));
typedef float lane8 __attribute__((vector_size(32)));

typedef struct {
    bytes row[ETP_LEAF_ROW + ETP_MAX_LEAVES]; /* leaf number by node, then the leaves' own numbers */
    bytes leaf[TREES_AT_ONCE];
    float sum[BLOCK * ETP_MAX_LEVELS];
    bytes codes[];
} scratch;

typedef struct {
    int64_t features; /* stride between rows */
    const float *floats;
    const double *doubles;
} matrix;

ETP_INLINE void encode(const etp_forest *forest, matrix x, int64_t rows, bytes *codes) {
    for (int64_t j = 0; j < forest->columns; j++) {
        const int32_t feature = forest->column[j].feature;
        uint8_t *code = (uint8_t *)&codes[j];
        if (x.floats)
            for (int64_t i = 0; i < rows; i++)
                code[i] = etp_code_float(forest, j, x.floats[i * x.features + feature]);
        else
            for (int64_t i = 0; i < rows; i++)
                code[i] = etp_code_double(forest, j, x.doubles[i * x.features + feature]);
        memset(code + rows, 0, (size_t)(BLOCK - rows));
    }
}

ETP_INLINE void blend_node(bytes *row, const etp_node *node, int64_t i, const bytes *codes) {
    const bytes right = (bytes)(codes[node[i].column] > node[i].rank);
    row[i] = (row[node[i].right] & right) | (row[node[i].left] & ~right);
}

ETP_INLINE void find_leaves(const etp_forest *forest, int64_t tree, scratch *s, bytes *leaf) {
    const etp_node *node = forest->node + forest->node_start[tree];
    const int64_t nodes = forest->node_start[tree + 1] - forest->node_start[tree];
    for (int64_t i = nodes - 1; i >= 0; i--) blend_node(s->row, node, i, s->codes);
    *leaf = s->row[nodes ? 0 : ETP_LEAF_ROW];
}

/* sum[row] += value[leaf[tree][row]] for a few trees, which share the first-level cache. */
ETP_INLINE void add_values(const etp_forest *forest, int64_t tree, int64_t trees, int64_t lanes,
                           scratch *s, int64_t rows) {
    const int64_t width = lanes * ETP_LANE;
    const float *base[TREES_AT_ONCE];
    for (int64_t t = 0; t < trees; t++)
        base[t] = forest->value + forest->leaf_start[tree + t] * width;
    for (int64_t i = 0; i < rows; i++) {
        float *sum = s->sum + i * width;
        for (int64_t t = 0; t < trees; t++) {
            const float *value = base[t] + ((const uint8_t *)&s->leaf[t])[i] * width;
            for (int64_t k = 0; k < lanes; k++)
                *(lane8 *)(sum + k * ETP_LANE) += *(const lane8 *)(value + k * ETP_LANE);
        }
    }
}

ETP_INLINE void predict_block(const etp_forest *forest, matrix x, int64_t rows, double *out,
                              scratch *s) {
    encode(forest, x, rows, s->codes);
    memset(s->sum, 0, sizeof(float) * (size_t)(rows * forest->width));
    for (int64_t tree = 0; tree < forest->trees; tree += TREES_AT_ONCE) {
        const int64_t rest = forest->trees - tree;
        const int64_t trees = rest < TREES_AT_ONCE ? rest : TREES_AT_ONCE;
        for (int64_t t = 0; t < trees; t++) find_leaves(forest, tree + t, s, &s->leaf[t]);
        add_values(forest, tree, trees, forest->width / ETP_LANE, s, rows);
    }
    for (int64_t i = 0; i < rows; i++)
        etp_finish_row(forest, s->sum + i * forest->width, out + i * forest->levels);
}

ETP_INLINE void leaves_of_block(const etp_forest *forest, matrix x, int64_t rows, uint8_t *out,
                                scratch *s) {
    encode(forest, x, rows, s->codes);
    for (int64_t tree = 0; tree < forest->trees; tree++) {
        find_leaves(forest, tree, s, &s->leaf[0]);
        const uint8_t *leaf = (const uint8_t *)&s->leaf[0];
        for (int64_t i = 0; i < rows; i++) out[i * forest->trees + tree] = leaf[i];
    }
}

typedef void block_kernel(const etp_forest *, matrix, int64_t, void *, scratch *);

static void predict_baseline(const etp_forest *f, matrix x, int64_t n, void *out, scratch *s) {
    predict_block(f, x, n, out, s);
}
static void leaves_baseline(const etp_forest *f, matrix x, int64_t n, void *out, scratch *s) {
    leaves_of_block(f, x, n, out, s);
}
#ifdef ETP_X86
ETP_TARGET_AVX2 static void predict_avx2(const etp_forest *f, matrix x, int64_t n, void *out,
                                         scratch *s) {
    predict_block(f, x, n, out, s);
}
ETP_TARGET_AVX2 static void leaves_avx2(const etp_forest *f, matrix x, int64_t n, void *out,
                                        scratch *s) {
    leaves_of_block(f, x, n, out, s);
}
ETP_TARGET_AVX512 static void predict_avx512(const etp_forest *f, matrix x, int64_t n, void *out,
                                             scratch *s) {
    predict_block(f, x, n, out, s);
}
ETP_TARGET_AVX512 static void leaves_avx512(const etp_forest *f, matrix x, int64_t n, void *out,
                                            scratch *s) {
    leaves_of_block(f, x, n, out, s);
}
#endif

static int for_blocks(const etp_forest *forest, matrix x, int64_t rows, char *out,
                      size_t out_stride, block_kernel *kernel) {
    const size_t size = sizeof(scratch) + (size_t)forest->columns * sizeof(bytes);
    char *memory = malloc(size + BLOCK);
    if (!memory) return -1;
    scratch *s = (scratch *)(memory + BLOCK - (uintptr_t)memory % BLOCK);
    for (int leaf = 0; leaf < ETP_MAX_LEAVES; leaf++)
        memset(&s->row[ETP_LEAF_ROW + leaf], leaf, BLOCK);
    for (int64_t i = 0; i < rows; i += BLOCK) {
        const int64_t count = rows - i < BLOCK ? rows - i : BLOCK;
        const matrix block = {x.features, x.floats ? x.floats + i * x.features : NULL,
                              x.doubles ? x.doubles + i * x.features : NULL};
        kernel(forest, block, count, out + (size_t)i * out_stride, s);
    }
    free(memory);
    return 0;
}

/* x is (rows, features) of doubles if `is_double`, else of floats; out is (rows, levels).
 * Returns 0, or -1 if there is no memory. */
ETP_EXPORT int etp_forest_predict(const etp_forest *forest, const void *x, int is_double,
                                  int64_t rows, double *out) {
    block_kernel *kernel = predict_baseline;
#ifdef ETP_X86
    if (etp_simd_level() == ETP_SIMD_AVX2) kernel = predict_avx2;
    if (etp_simd_level() == ETP_SIMD_AVX512) kernel = predict_avx512;
#endif
    const matrix m = {forest->features, is_double ? NULL : x, is_double ? x : NULL};
    return for_blocks(forest, m, rows, (char *)out, sizeof(double) * (size_t)forest->levels, kernel);
}

/* The leaf that each row reaches in each tree: out is (rows, trees). */
ETP_EXPORT int etp_forest_leaves(const etp_forest *forest, const void *x, int is_double,
                                 int64_t rows, uint8_t *out) {
    block_kernel *kernel = leaves_baseline;
#ifdef ETP_X86
    if (etp_simd_level() == ETP_SIMD_AVX2) kernel = leaves_avx2;
    if (etp_simd_level() == ETP_SIMD_AVX512) kernel = leaves_avx512;
#endif
    const matrix m = {forest->features, is_double ? NULL : x, is_double ? x : NULL};
    return for_blocks(forest, m, rows, (char *)out, (size_t)forest->trees, kernel);
}
