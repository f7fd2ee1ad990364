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
