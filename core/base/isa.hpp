// One source, several instruction sets: a function marked CONVOY_ISA_CLONES is compiled for each and chosen at
// start-up.
//
// Mark leaf loops only: what they call inline is cloned with them, OpenMP regions are not. Sanitizers and other
// compilers get the plain function.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__CUDACC__)
#define CONVOY_ISA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CONVOY_ISA_CLONES
#endif

namespace convoy {

/// Whether this processor multiplies bf16 numbers (AVX512-BF16, which every processor with AMX has too).
bool cpu_has_bf16();

}  // namespace convoy

namespace convoy {

/// What x86-64-v4 and x86-64-v3 name: AVX-512 F, BW, CD, DQ, VL; AVX2 and FMA.
bool cpu_has_avx512();
bool cpu_has_avx2();

/// Whether this processor multiplies bf16 itself: AVX512-BF16 or AMX.
bool cpu_has_bf16();

}  // namespace convoy
