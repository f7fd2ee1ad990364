// See isa.hpp.
#include "core/base/isa.hpp"

namespace convoy {

#if defined(__x86_64__)

bool cpu_has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool cpu_has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool cpu_has_bf16() {
  return cpu_has_avx512() && __builtin_cpu_supports("avx512bf16");  // no processor has AMX without it
}

#else

bool cpu_has_avx512() {
  return false;
}

bool cpu_has_avx2() {
  return false;
}

bool cpu_has_bf16() {
  return false;
}

#endif

}  // namespace convoy
