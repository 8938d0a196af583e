/* The forest on many rows.
 *
 * A block of rows goes through a tree node by node: for every node all codes of the block are compared at
 * once. There is no branch, no walk and no limit on the tree's shape; a tree of 31 leaves costs 30 compares
 * and 30 blends, each of 64 rows in one instruction where the processor can. Then the leaves' values are
 * added. forest_block.h has both. */
#include "forest_parts.h"

#include <stdlib.h>
#include <string.h>

#ifdef ETP_X86
#include <immintrin.h>
#endif

enum { BLOCK = 128, TREES_AT_ONCE = 8, FEW = 12, ONE_BY_ONE = 4 };

typedef struct {
    uint8_t row[(ETP_LEAF_ROW + ETP_MAX_LEAVES) * BLOCK]; /* leaf by node, then the leaves themselves */
    uint8_t leaf[TREES_AT_ONCE * BLOCK];
    float sum[BLOCK * ETP_MAX_LEVELS];
    uint8_t codes[]; /* (columns, BLOCK) */
} scratch;

typedef struct { /* the rows of one block: one of the two is NULL */
    const float *floats;
    const double *doubles;
} matrix;

#define TARGET
#define NAME(x) x##_baseline
#define VECTOR_BYTES 16
#include "forest_block.h"
#undef TARGET
#undef NAME
#undef VECTOR_BYTES

#ifdef ETP_X86
#define TARGET ETP_TARGET_AVX2
#define NAME(x) x##_avx2
#define VECTOR_BYTES 32
#include "forest_block.h"
#undef TARGET
#undef NAME
#undef VECTOR_BYTES

#define TARGET ETP_TARGET_AVX512
#define NAME(x) x##_avx512
#define VECTOR_BYTES 64
#define ETP_WIDE
#include "forest_block.h"
#undef TARGET
#undef NAME
#undef VECTOR_BYTES
#undef ETP_WIDE
#endif

typedef void block_kernel(const etp_forest *, matrix, int64_t, void *, scratch *);

static int for_blocks(const etp_forest *forest, const void *x, int is_double, int64_t rows,
                      char *out, size_t out_stride, block_kernel *kernel) {
    const size_t size = sizeof(scratch) + (size_t)forest->columns * BLOCK;
    char *memory = malloc(size + 64);
    if (!memory) return -1;
    scratch *s = (scratch *)(memory + 64 - (uintptr_t)memory % 64);
    for (int leaf = 0; leaf < ETP_MAX_LEAVES; leaf++)
        memset(s->row + (ETP_LEAF_ROW + leaf) * BLOCK, leaf, BLOCK);
    for (int64_t i = 0; i < rows; i += BLOCK) {
        const int64_t count = rows - i < BLOCK ? rows - i : BLOCK, skip = i * forest->features;
        matrix block = {NULL, NULL};
        if (is_double)
            block.doubles = (const double *)x + skip;
        else
            block.floats = (const float *)x + skip;
        kernel(forest, block, count, out + (size_t)i * out_stride, s);
    }
    free(memory);
    return 0;
}

int etp_forest_predict(const etp_forest *forest, const void *x, int is_double, int64_t rows,
                       double *out) {
    if (!is_double && rows <= ONE_BY_ONE) {
        uint8_t codes[ETP_MAX_COLUMNS + 64];
        for (int64_t i = 0; i < rows; i++)
            etp_forest_row(forest, (const float *)x + i * forest->features, out + i * forest->levels,
                           codes);
        return 0;
    }
    block_kernel *kernel = predict_baseline;
#ifdef ETP_X86
    const int simd = etp_simd_level();
    if (simd == ETP_SIMD_AVX2) kernel = predict_avx2;
    if (simd == ETP_SIMD_AVX512) kernel = predict_avx512;
#endif
    return for_blocks(forest, x, is_double, rows, (char *)out,
                      sizeof(double) * (size_t)forest->levels, kernel);
}

/* The leaf that each row reaches in each tree: out is (rows, trees). */
ETP_EXPORT int etp_forest_leaves(const etp_forest *forest, const void *x, int is_double,
                                 int64_t rows, uint8_t *out) {
    block_kernel *kernel = leaves_baseline;
#ifdef ETP_X86
    const int simd = etp_simd_level();
    if (simd == ETP_SIMD_AVX2) kernel = leaves_avx2;
    if (simd == ETP_SIMD_AVX512) kernel = leaves_avx512;
#endif
    return for_blocks(forest, x, is_double, rows, (char *)out, (size_t)forest->trees, kernel);
}
