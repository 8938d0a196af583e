/* Which vector instructions may be used on this processor.
 *
 * Asked of the processor itself: __builtin_cpu_supports needs a run-time library that zig does not ship,
 * and target_clones needs a loader with ifuncs, which musl and macOS lack. */
#include "etapromise.h"

#include <stdatomic.h>

#ifdef ETP_X86
#include <cpuid.h>

static uint64_t enabled_register_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

static int detect(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return ETP_SIMD_BASELINE;
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, popcnt = 1u << 23;
    if (!(c & osxsave) || !(c & avx) || !(c & popcnt)) return ETP_SIMD_BASELINE;
    const uint64_t state = enabled_register_state();
    if ((state & 0x6) != 0x6) return ETP_SIMD_BASELINE; /* the system saves xmm and ymm registers */

    uint32_t extended_c = 0;
    if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) extended_c = c;
    if (!(extended_c & (1u << 5))) return ETP_SIMD_BASELINE; /* lzcnt */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return ETP_SIMD_BASELINE;
    const uint32_t bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;
    if (!(b & bmi1) || !(b & avx2) || !(b & bmi2)) return ETP_SIMD_BASELINE;

    const uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, vbmi = 1u << 1;
    if ((state & 0xe6) != 0xe6) return ETP_SIMD_AVX2; /* … and zmm and mask registers */
    if ((b & f) && (b & dq) && (b & bw) && (b & vl) && (c & vbmi)) return ETP_SIMD_AVX512;
    return ETP_SIMD_AVX2;
}
#else
static int detect(void) { return ETP_SIMD_BASELINE; }
#endif

static _Atomic int known_level = -1;

int etp_simd_level(void) {
    int level = atomic_load_explicit(&known_level, memory_order_relaxed);
    if (level < 0) {
        level = detect();
        atomic_store_explicit(&known_level, level, memory_order_relaxed);
    }
    return level;
}

int etp_limit_simd(int level) {
    const int detected = detect();
    atomic_store_explicit(&known_level, level < detected ? level : detected, memory_order_relaxed);
    return etp_simd_level();
}
