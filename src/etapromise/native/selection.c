/* Weighted selection after Floyd & Rivest (1975): a sample says between which two values the answer most
 * likely lies, one pass keeps what is between them, and so on with what is left. No pass branches on the
 * values, which no processor could foresee. */
#include "selection.h"

#include <math.h>
#include <string.h>

#ifdef ETP_X86
#include <immintrin.h>
#endif

enum { FEW = 192, MAX_SAMPLE = 1024 };

/* mass if `holds`, else 0, without a jump. */
static inline double mass_if(float mass, int holds) {
    uint32_t bits;
    memcpy(&bits, &mass, sizeof bits);
    bits &= (uint32_t)-holds;
    memcpy(&mass, &bits, sizeof mass);
    return (double)mass;
}

static double total_mass(etp_masses m) {
    double sum[4] = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= m.count; i += 4)
        for (int j = 0; j < 4; j++) sum[j] += (double)m.mass[i + j];
    for (; i < m.count; i++) sum[0] += (double)m.mass[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static float largest(etp_masses m) {
    float found = m.value[0];
    for (int64_t i = 1; i < m.count; i++) found = m.value[i] > found ? m.value[i] : found;
    return found;
}

typedef struct {
    double below; /* mass of the values below the first bound */
    double among; /* mass of the kept values */
    int64_t count;
} kept;

/* Copy the values from low to high. Sums are kept in 16 parts, by position, so that every code path adds
 * in the same order. */
#define SUM_OF_PARTS(part)                                                                 \
    do {                                                                                          \
        for (int width = 8; width; width /= 2)                                                    \
            for (int j = 0; j < width; j++) (part)[j] += (part)[j + width];                       \
    } while (0)

static kept keep_between_baseline(etp_masses from, float low, float high, etp_masses to) {
    double below[16] = {0}, among[16] = {0};
    int64_t count = 0;
    for (int64_t i = 0; i < from.count; i += 16) {
        const int64_t rest = from.count - i, last = rest < 16 ? rest : 16;
        for (int64_t j = 0; j < last; j++) {
            const float value = from.value[i + j], mass = from.mass[i + j];
            const int in = (value >= low) & (value <= high);
            to.value[count] = value;
            to.mass[count] = mass;
            count += in;
            below[j] += mass_if(mass, value < low);
            among[j] += mass_if(mass, in);
        }
    }
    SUM_OF_PARTS(below);
    SUM_OF_PARTS(among);
    return (kept){below[0], among[0], count};
}

#ifdef ETP_X86
ETP_TARGET_AVX512 static kept keep_between_avx512(etp_masses from, float low, float high,
                                                  etp_masses to) {
    const __m512 lows = _mm512_set1_ps(low), highs = _mm512_set1_ps(high);
    __m512d below[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    __m512d among[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    int64_t count = 0;
    for (int64_t i = 0; i < from.count; i += 16) {
        const int64_t rest = from.count - i;
        const __mmask16 there = rest >= 16 ? 0xffff : (__mmask16)((1u << rest) - 1);
        const __m512 value = _mm512_maskz_loadu_ps(there, from.value + i);
        const __m512 mass = _mm512_maskz_loadu_ps(there, from.mass + i);
        const __mmask16 less = _mm512_mask_cmp_ps_mask(there, value, lows, _CMP_LT_OQ);
        const __mmask16 in =
            _mm512_mask_cmp_ps_mask(there & ~less, value, highs, _CMP_LE_OQ);
        _mm512_storeu_ps(to.value + count, _mm512_maskz_compress_ps(in, value));
        _mm512_storeu_ps(to.mass + count, _mm512_maskz_compress_ps(in, mass));
        count += __builtin_popcount(in);
        const __m512 low_mass = _mm512_maskz_mov_ps(less, mass), mid_mass = _mm512_maskz_mov_ps(in, mass);
        below[0] = _mm512_add_pd(below[0], _mm512_cvtps_pd(_mm512_castps512_ps256(low_mass)));
        below[1] = _mm512_add_pd(below[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(low_mass, 1)));
        among[0] = _mm512_add_pd(among[0], _mm512_cvtps_pd(_mm512_castps512_ps256(mid_mass)));
        among[1] = _mm512_add_pd(among[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(mid_mass, 1)));
    }
    double parts[2][16];
    for (int j = 0; j < 2; j++) {
        _mm512_storeu_pd(parts[0] + 8 * j, below[j]);
        _mm512_storeu_pd(parts[1] + 8 * j, among[j]);
    }
    SUM_OF_PARTS(parts[0]);
    SUM_OF_PARTS(parts[1]);
    return (kept){parts[0][0], parts[1][0], count};
}
#endif

static kept keep_between(etp_masses from, float low, float high, etp_masses to) {
#ifdef ETP_X86
    if (etp_simd_level() == ETP_SIMD_AVX512) return keep_between_avx512(from, low, high, to);
#endif
    return keep_between_baseline(from, low, high, to);
}

static float middle_of(float a, float b, float c) {
    const float low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Quickselect, for few values. */
static float select_few(etp_masses m, double target) {
    float found = m.value[0];
    while (m.count > 0) {
        const float pivot = middle_of(m.value[0], m.value[m.count / 2], m.value[m.count - 1]);
        double less = 0, equal = 0;
        for (int64_t i = 0; i < m.count; i++) {
            less += mass_if(m.mass[i], m.value[i] < pivot);
            equal += mass_if(m.mass[i], m.value[i] == pivot);
        }
        found = pivot;
        const int left = target <= less;
        if (!left && target <= less + equal) return pivot;
        int64_t count = 0;
        for (int64_t i = 0; i < m.count; i++) {
            const float value = m.value[i];
            m.value[count] = value;
            m.mass[count] = m.mass[i];
            count += left ? value < pivot : value > pivot;
        }
        if (!left) target -= less + equal;
        m.count = count;
    }
    return found; /* rounding left a hair of the target over */
}

typedef struct {
    float low, high;
} bounds;

/* Between which values the answer most likely lies. */
static bounds guess(etp_masses m, double share) {
    float value[MAX_SAMPLE], mass[MAX_SAMPLE];
    int64_t size = m.count / 32;
    size = size < 64 ? 64 : size > MAX_SAMPLE ? MAX_SAMPLE : size;
    double squares = 0;
    for (int64_t i = 0; i < size; i++) {
        const int64_t from = i * m.count / size;
        value[i] = m.value[from];
        mass[i] = m.mass[from];
        squares += (double)mass[i] * (double)mass[i];
    }
    const etp_masses sample = {value, mass, size};
    const double total = total_mass(sample);
    const double margin = 2.5 * sqrt(squares * share * (1 - share)) + 2 * total / (double)size;
    bounds b = {-INFINITY, INFINITY};
    if (share * total > margin) b.low = select_few(sample, share * total - margin);
    if (share * total + margin < total) b.high = select_few(sample, share * total + margin);
    return b;
}

float etp_select_mass(etp_masses m, etp_masses spare, double target) {
    double total = total_mass(m);
    if (target > total) return largest(m);
    while (m.count > FEW) {
        const bounds b = guess(m, target / total);
        kept k = keep_between(m, b.low, b.high, spare);
        if (target > k.below && target <= k.below + k.among) {
            if (b.low == b.high) return b.low;
            target -= k.below;
            total = k.among;
        } else if (target <= k.below) { /* the sample misled: the answer is left of its bounds */
            const float high = nextafterf(b.low, -INFINITY);
            k = keep_between(m, -INFINITY, high, spare);
            total = k.among;
        } else { /* or right of them */
            const float low = nextafterf(b.high, INFINITY);
            k = keep_between(m, low, INFINITY, spare);
            target -= k.below;
            total = k.among;
            if (!k.count) return b.high; /* rounding left a hair of the target over */
        }
        if (k.count == m.count) break;
        const etp_masses old = m;
        m = spare;
        m.count = k.count;
        spare = old;
    }
    return select_few(m, target);
}
