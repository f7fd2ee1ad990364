// See kernels.hpp.
#include "core/ops/fc/kernels.hpp"

namespace convoy::fc {
namespace {

bool runs(const Kernels* kernels) {
#if defined(__x86_64__)
  if (kernels == avx512_bf16_kernels) return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw");
  if (kernels == avx512_kernels)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

}  // namespace

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> out;
  for (const Kernels* kernels : {avx512_bf16_kernels, avx512_kernels, avx2_kernels}) {
    if (kernels && runs(kernels)) out.push_back(kernels);
  }
  return out;
}

const Kernels* best_kernels(DType compute) {
  for (const Kernels* kernels : available_kernels()) {
    if (kernels->compute == compute) return kernels;
  }
  return nullptr;
}

}  // namespace convoy::fc
