/* One block of rows through the forest, written once and compiled for each instruction set.
 *
 * forest_batch.c includes this file with these macros:
 *   NAME(x)       x with the instruction set's name
 *   TARGET        its function attribute
 *   VECTOR_BYTES  its register width
 *   ETP_WIDE      defined if AVX-512 with VBMI may be used
 */

typedef uint8_t NAME(bytes) __attribute__((vector_size(VECTOR_BYTES)));
typedef float NAME(floats) __attribute__((vector_size(VECTOR_BYTES)));

/* Codes of one column: the binary search of etp_code_float, all rows in step. Few thresholds are counted
 * one by one instead. */
#ifdef ETP_WIDE
TARGET static inline void NAME(search_floats)(const float *threshold, int32_t count, const float *x,
                                              uint8_t *code) {
    for (int i = 0; i < BLOCK; i += 64) {
        __m512 value[4];
        __m512i below[4];
        for (int v = 0; v < 4; v++) {
            value[v] = _mm512_loadu_ps(x + i + 16 * v);
            below[v] = _mm512_setzero_si512();
        }
        if (count <= FEW) {
            const __m512i one = _mm512_set1_epi32(1);
            for (int32_t t = 0; t < count; t++) {
                const __m512 limit = _mm512_set1_ps(threshold[t]);
                for (int v = 0; v < 4; v++) {
                    const __mmask16 above = _mm512_cmp_ps_mask(limit, value[v], _CMP_LT_OQ);
                    below[v] = _mm512_mask_add_epi32(below[v], above, below[v], one);
                }
            }
        } else {
            int32_t left = count;
            for (; left > 1; left -= left >> 1) {
                const int32_t half = left >> 1;
                const __m512i step = _mm512_set1_epi32(half);
                for (int v = 0; v < 4; v++) {
                    const __m512 limit = _mm512_i32gather_ps(below[v], threshold + half - 1, 4);
                    const __mmask16 above = _mm512_cmp_ps_mask(limit, value[v], _CMP_LT_OQ);
                    below[v] = _mm512_mask_add_epi32(below[v], above, below[v], step);
                }
            }
            for (int v = 0; v < 4; v++) {
                const __m512 limit = _mm512_i32gather_ps(below[v], threshold, 4);
                const __mmask16 above = _mm512_cmp_ps_mask(limit, value[v], _CMP_LT_OQ);
                below[v] = _mm512_mask_add_epi32(below[v], above, below[v], _mm512_set1_epi32(1));
            }
        }
        for (int v = 0; v < 4; v++)
            _mm_storeu_si128((__m128i *)(code + i + 16 * v), _mm512_cvtepi32_epi8(below[v]));
    }
}
#endif

#define DEFINE_SEARCH(FUNCTION, TYPE)                                                             \
    TARGET static inline void NAME(FUNCTION)(const TYPE *threshold, int32_t count, const TYPE *x, \
                                             uint8_t *code) {                                     \
        int32_t below[BLOCK];                                                                     \
        for (int i = 0; i < BLOCK; i++) below[i] = 0;                                             \
        if (count <= FEW) {                                                                       \
            for (int32_t t = 0; t < count; t++) {                                                 \
                const TYPE limit = threshold[t];                                                  \
                for (int i = 0; i < BLOCK; i++) below[i] += limit < x[i];                         \
            }                                                                                     \
        } else {                                                                                  \
            int32_t left = count;                                                                 \
            for (; left > 1; left -= left >> 1) {                                                 \
                const int32_t half = left >> 1;                                                   \
                const TYPE *middle = threshold + half - 1;                                        \
                for (int i = 0; i < BLOCK; i++)                                                   \
                    below[i] += middle[below[i]] < x[i] ? half : 0;                               \
            }                                                                                     \
            for (int i = 0; i < BLOCK; i++) below[i] += threshold[below[i]] < x[i];               \
        }                                                                                         \
        for (int i = 0; i < BLOCK; i++) code[i] = (uint8_t)below[i];                              \
    }

#ifndef ETP_WIDE
DEFINE_SEARCH(search_floats, float)
#endif
DEFINE_SEARCH(search_doubles, double)
#undef DEFINE_SEARCH

#define DEFINE_ENCODE(FUNCTION, SEARCH, TYPE, THRESHOLDS)                                         \
    TARGET static void NAME(FUNCTION)(const etp_forest *forest, const TYPE *x, int64_t rows,      \
                                      uint8_t *codes) {                                           \
        TYPE value[BLOCK];                                                                        \
        uint8_t missing[BLOCK];                                                                   \
        int any_missing = 0;                                                                      \
        for (int i = 0; i < BLOCK; i++) value[i] = 0;                                             \
        for (int64_t j = 0; j < forest->columns; j++) {                                           \
            const etp_column *column = forest->column + j;                                        \
            uint8_t *code = codes + j * BLOCK;                                                    \
            if (column->source == j) {                                                            \
                const TYPE *from = x + column->feature;                                           \
                for (int64_t i = 0; i < rows; i++) value[i] = from[i * forest->features];         \
                NAME(SEARCH)(forest->THRESHOLDS + column->first, column->count, value, code);     \
                any_missing = 0;                                                                  \
                for (int i = 0; i < BLOCK; i++) any_missing |= value[i] != value[i];              \
                if (column->zero_is_nan) any_missing = 1;                                         \
                if (any_missing)                                                                  \
                    for (int i = 0; i < BLOCK; i++)                                               \
                        missing[i] = (value[i] != value[i]) | (column->zero_is_nan &              \
                                     (value[i] <= ETP_ZERO) & (value[i] >= -ETP_ZERO)) ? 255 : 0; \
            } else {                                                                              \
                memcpy(code, codes + (int64_t)column->source * BLOCK, BLOCK);                     \
            }                                                                                     \
            if (any_missing)                                                                      \
                for (int i = 0; i < BLOCK; i++)                                                   \
                    code[i] = (uint8_t)((code[i] & ~missing[i]) | (column->nan_code & missing[i])); \
        }                                                                                         \
    }

DEFINE_ENCODE(encode_floats, search_floats, float, threshold_rounded)
DEFINE_ENCODE(encode_doubles, search_doubles, double, threshold)
#undef DEFINE_ENCODE

/* The leaf that every row of the block reaches: node by node, last node first, the leaf numbers of both
 * children are blended. */
TARGET static inline void NAME(find_leaves)(const etp_forest *forest, int64_t tree, scratch *s,
                                            uint8_t *leaf) {
    const etp_node *node = forest->node + forest->node_start[tree];
    const int64_t nodes = forest->node_start[tree + 1] - forest->node_start[tree];
    for (int64_t n = nodes - 1; n >= 0; n--) {
        const uint8_t *code = s->codes + (int64_t)node[n].column * BLOCK;
        const uint8_t *left = s->row + node[n].left * BLOCK, *right = s->row + node[n].right * BLOCK;
        uint8_t *out = n ? s->row + n * BLOCK : leaf;
#ifdef ETP_WIDE
        const __m512i rank = _mm512_set1_epi8((char)node[n].rank);
        for (int i = 0; i < BLOCK; i += 64) {
            const __mmask64 goes_right =
                _mm512_cmpgt_epu8_mask(_mm512_load_si512(code + i), rank);
            _mm512_store_si512(out + i,
                               _mm512_mask_blend_epi8(goes_right, _mm512_load_si512(left + i),
                                                      _mm512_load_si512(right + i)));
        }
#else
        const NAME(bytes) rank = node[n].rank - (NAME(bytes)){0};
        for (int i = 0; i < BLOCK; i += VECTOR_BYTES) {
            const NAME(bytes) goes_right = (NAME(bytes))(*(const NAME(bytes) *)(code + i) > rank);
            *(NAME(bytes) *)(out + i) = (*(const NAME(bytes) *)(right + i) & goes_right) |
                                        (*(const NAME(bytes) *)(left + i) & ~goes_right);
        }
#endif
    }
    if (!nodes) memset(leaf, 0, BLOCK);
}

/* sum[row] += value[leaf[tree][row]] for a few trees, which share the first-level cache. The order of
 * the trees is the order of the sum: the one-row path gives the same bits. */
#define DEFINE_ADD(FUNCTION, TREES)                                                               \
    TARGET static inline __attribute__((always_inline)) void NAME(FUNCTION)(                      \
        const float *const *base, int64_t width, scratch *s, int64_t rows, int64_t trees) {       \
        (void)trees;                                                                              \
        for (int64_t i = 0; i < rows; i++) {                                                      \
            float *sum = s->sum + i * width;                                                      \
            for (int64_t k = 0; k < width; k += VECTOR_BYTES / 4) {                               \
                NAME(floats) total = *(NAME(floats) *)(sum + k);                                  \
                for (int64_t t = 0; t < (TREES); t++) {                                           \
                    const int64_t leaf = s->leaf[t * BLOCK + i];                                  \
                    total += *(const NAME(floats) *)(base[t] + leaf * width + k);                 \
                }                                                                                 \
                *(NAME(floats) *)(sum + k) = total;                                               \
            }                                                                                     \
        }                                                                                         \
    }

DEFINE_ADD(add_all, TREES_AT_ONCE)
DEFINE_ADD(add_some, trees)
#undef DEFINE_ADD

TARGET static inline void NAME(add_values)(const etp_forest *forest, int64_t tree, int64_t trees,
                                           scratch *s, int64_t rows) {
    const float *base[TREES_AT_ONCE];
    for (int64_t t = 0; t < trees; t++)
        base[t] = forest->value + forest->leaf_start[tree + t] * forest->width;
    if (trees < TREES_AT_ONCE)
        NAME(add_some)(base, forest->width, s, rows, trees);
    else if (forest->width == 16)
        NAME(add_all)(base, 16, s, rows, trees);
    else if (forest->width == 32)
        NAME(add_all)(base, 32, s, rows, trees);
    else
        NAME(add_all)(base, forest->width, s, rows, trees);
}

TARGET static void NAME(encode)(const etp_forest *forest, matrix x, int64_t rows, scratch *s) {
    if (x.floats)
        NAME(encode_floats)(forest, x.floats, rows, s->codes);
    else
        NAME(encode_doubles)(forest, x.doubles, rows, s->codes);
}

TARGET static void NAME(predict)(const etp_forest *forest, matrix x, int64_t rows, void *out,
                                 scratch *s) {
    NAME(encode)(forest, x, rows, s);
    memset(s->sum, 0, sizeof(float) * (size_t)(rows * forest->width));
    for (int64_t tree = 0; tree < forest->trees; tree += TREES_AT_ONCE) {
        const int64_t rest = forest->trees - tree;
        const int64_t trees = rest < TREES_AT_ONCE ? rest : TREES_AT_ONCE;
        for (int64_t t = 0; t < trees; t++)
            NAME(find_leaves)(forest, tree + t, s, s->leaf + t * BLOCK);
        NAME(add_values)(forest, tree, trees, s, rows);
    }
    for (int64_t i = 0; i < rows; i++)
        etp_finish_row(forest, s->sum + i * forest->width, (double *)out + i * forest->levels);
}

TARGET static void NAME(leaves)(const etp_forest *forest, matrix x, int64_t rows, void *out,
                                scratch *s) {
    NAME(encode)(forest, x, rows, s);
    for (int64_t tree = 0; tree < forest->trees; tree++) {
        const uint8_t *number = forest->leaf_number + forest->leaf_start[tree];
        NAME(find_leaves)(forest, tree, s, s->leaf);
        for (int64_t i = 0; i < rows; i++)
            ((uint8_t *)out)[i * forest->trees + tree] = number[s->leaf[i]];
    }
}
