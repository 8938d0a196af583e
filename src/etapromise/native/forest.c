/* The forest's one-row path, and what it shares with the batch: codes and sorting. */
#include "forest_parts.h"

#ifdef ETP_X86
#include <immintrin.h>
#endif

static int64_t walk(const etp_node *node, int64_t nodes, const uint8_t *codes) {
    uint32_t at = nodes ? 0 : ETP_LEAF_ROW;
    while (at < ETP_LEAF_ROW) {
        const etp_node *here = node + at;
        at = codes[here->column] > here->rank ? here->right : here->left;
    }
    return (int64_t)at - ETP_LEAF_ROW;
}

static void sum_by_walking(const etp_forest *forest, const uint8_t *codes, float *sum) {
    const int64_t width = forest->width;
    for (int64_t tree = 0; tree < forest->trees; tree++) {
        const int64_t first = forest->node_start[tree];
        const int64_t leaf =
            walk(forest->node + first, forest->node_start[tree + 1] - first, codes);
        const float *value = forest->value + (forest->leaf_start[tree] + leaf) * width;
        for (int64_t k = 0; k < width; k++) sum[k] += value[k];
    }
}

#ifdef ETP_X86
/* 64 codes at once, of any of 256 columns. */
typedef struct {
    __m512i part[4];
    int large;
} code_table;

ETP_TARGET_AVX512 static inline __m512i look_up(const code_table *table, __m512i column) {
    const __m512i low = _mm512_permutex2var_epi8(table->part[0], column, table->part[1]);
    if (!table->large) return low;
    const __m512i high = _mm512_permutex2var_epi8(table->part[2], column, table->part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), low, high);
}

ETP_TARGET_AVX512 static void sum_by_scanning(const etp_forest *forest, const uint8_t *codes,
                                              float *sum) {
    code_table table = {.large = forest->columns > 128};
    for (int64_t p = 0; p < 4; p++) {
        const int64_t rest = forest->columns - 64 * p;
        const __mmask64 there = rest >= 64 ? ~0ull : rest > 0 ? (1ull << rest) - 1 : 0;
        table.part[p] = _mm512_maskz_loadu_epi8(there, codes + 64 * p);
    }
    const int64_t vectors = forest->width / ETP_LANE;
    for (int64_t group = 0; group < forest->groups; group++) {
        __m512i possible = _mm512_set1_epi32(-1);
        const etp_bundle *bundle = forest->bundle + forest->bundle_start[group];
        const etp_bundle *end = forest->bundle + forest->bundle_start[group + 1];
        for (; bundle < end; bundle++) {
            const __m512i code = look_up(&table, _mm512_load_si512(bundle->column));
            const __mmask64 right =
                _mm512_cmpgt_epu8_mask(code, _mm512_load_si512(bundle->rank));
            for (int n = 0; n < 4; n++)
                possible = _mm512_mask_and_epi32(possible, (__mmask16)(right >> (16 * n)), possible,
                                                 _mm512_load_si512(bundle->remaining[n]));
        }
        uint32_t leaves[16];
        _mm512_storeu_si512(leaves, possible);
        const int64_t first = group * 16, rest = forest->trees - first;
        const int64_t trees = rest < 16 ? rest : 16;
        for (int64_t v = 0; v < vectors; v++) {
            __m512 total = _mm512_loadu_ps(sum + 16 * v);
            for (int64_t t = 0; t < trees; t++) {
                const int64_t leaf = forest->leaf_start[first + t] + __builtin_ctz(leaves[t]);
                total = _mm512_add_ps(
                    total, _mm512_load_ps(forest->value + (leaf * vectors + v) * 16));
            }
            _mm512_storeu_ps(sum + 16 * v, total);
        }
    }
}

/* The codes of 16 columns at a time: etp_below_float in all lanes. */
ETP_TARGET_AVX512 static void encode_by_gathering(const etp_forest *forest, const float *x,
                                                  uint8_t *codes) {
    const __m512i one = _mm512_set1_epi32(1);
    const float *threshold = forest->threshold_rounded;
    for (int64_t j = 0; j < forest->columns; j += 16) {
        const etp_column_bundle *column = forest->column_bundle + j / 16;
        const __m512 value = _mm512_i32gather_ps(_mm512_load_si512(column->feature), x, 4);
        const __m512i first = _mm512_load_si512(column->first);
        __m512i at = first, left = _mm512_load_si512(column->count);
        __mmask16 more = _mm512_cmpgt_epi32_mask(left, one);
        while (more) {
            const __m512i half = _mm512_srli_epi32(left, 1);
            const __m512i middle = _mm512_sub_epi32(_mm512_add_epi32(at, half), one);
            const __m512 limit = _mm512_mask_i32gather_ps(value, more, middle, threshold, 4);
            /* A lane that is through compares its value with itself: not less. */
            const __mmask16 above = _mm512_cmp_ps_mask(limit, value, _CMP_LT_OQ);
            at = _mm512_mask_add_epi32(at, above, at, half);
            left = _mm512_mask_sub_epi32(left, more, left, half);
            more = _mm512_cmpgt_epi32_mask(left, one);
        }
        const __m512 limit = _mm512_i32gather_ps(at, threshold, 4);
        const __mmask16 above = _mm512_cmp_ps_mask(limit, value, _CMP_LT_OQ);
        at = _mm512_mask_add_epi32(at, above, at, one);
        const __mmask16 zero = _mm512_cmp_ps_mask(_mm512_abs_ps(value),
                                                  _mm512_set1_ps((float)ETP_ZERO), _CMP_LE_OQ);
        const __m128i zero_is_nan = _mm_load_si128((const __m128i *)column->zero_is_nan);
        const __mmask16 missing = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q) |
                                  (zero & _mm_test_epi8_mask(zero_is_nan, zero_is_nan));
        const __m128i nan_code = _mm_load_si128((const __m128i *)column->nan_code);
        const __m128i code = _mm512_cvtepi32_epi8(_mm512_sub_epi32(at, first));
        _mm_storeu_si128((__m128i *)(codes + j), _mm_mask_blend_epi8(missing, code, nan_code));
    }
}
#endif

static void encode_floats(const etp_forest *forest, const float *x, uint8_t *codes) {
    for (int64_t j = 0; j < forest->columns; j++) {
        const etp_column *column = forest->column + j;
        const float value = x[column->feature];
        const int missing =
            (value != value) |
            (column->zero_is_nan & (value <= ETP_ZERO) & (value >= -ETP_ZERO));
        const uint8_t code =
            column->source == j
                ? etp_below_float(forest->threshold_rounded + column->first, column->count, value)
                : codes[column->source];
        codes[j] = missing ? column->nan_code : code;
    }
}

void etp_forest_codes(const etp_forest *forest, const float *x, uint8_t *codes) {
    encode_floats(forest, x, codes);
}

#ifdef ETP_X86
static int can_scan(const etp_forest *forest) {
    return forest->groups && etp_simd_level() == ETP_SIMD_AVX512;
}
#endif

static void row_from_codes(const etp_forest *forest, const uint8_t *codes, double *out) {
    float sum[ETP_MAX_LEVELS] = {0};
#ifdef ETP_X86
    if (can_scan(forest))
        sum_by_scanning(forest, codes, sum);
    else
#endif
        sum_by_walking(forest, codes, sum);
    etp_finish_row(forest, sum, out);
}

void etp_forest_row(const etp_forest *forest, const float *x, double *out, uint8_t *codes) {
#ifdef ETP_X86
    if (can_scan(forest))
        encode_by_gathering(forest, x, codes);
    else
#endif
        encode_floats(forest, x, codes);
    row_from_codes(forest, codes, out);
}
