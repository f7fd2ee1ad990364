// See kernels.hpp.
#include "core/ops/conv/kernels.hpp"

#include "core/base/isa.hpp"

namespace convoy {

const ConvKernels* conv_kernels() {
  if (cpu_has_avx512()) return avx512_conv_kernels();
  if (cpu_has_avx2()) return avx2_conv_kernels();
  return nullptr;
}

}  // namespace convoy
