/* What every kernel shares: the mark of an exported function and the processor's abilities. */
#ifndef ETAPROMISE_H
#define ETAPROMISE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ETP_EXPORT __declspec(dllexport)
#else
#define ETP_EXPORT __attribute__((visibility("default")))
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define ETP_X86 1
/* Compile one function for a wider instruction set than the rest of the library. */
#define ETP_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define ETP_TARGET_AVX512                                                                         \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#endif

/* Ordered: each level includes the one before. */
enum etp_simd_level { ETP_SIMD_BASELINE = 0, ETP_SIMD_AVX2 = 1, ETP_SIMD_AVX512 = 2 };

/* The widest level that this processor and its operating system support, or a lower one set by
 * etp_limit_simd. */
ETP_EXPORT int etp_simd_level(void);

/* Never use more than `level` from now on: lets tests run every code path. Returns the level in use. */
ETP_EXPORT int etp_limit_simd(int level);

#endif
