// What this machine could do at best: measured, not looked up.
#pragma once

#include <cstddef>
#include <string>

#include "core/device/device.hpp"
#include "core/tensor/dtype.hpp"

namespace convoy {

struct MachinePeak {
  double flops = 0;  // per second, a multiply-add counts two: in registers, fp32, all threads together; or of a GPU
  double bytes_copied = 0;  // read and written by a copy of memory too large for any cache; per second
  bool gpu = false;
  std::string products = "FMA";  // what `flops` were measured with
};

/// The most memory this process held since forget_peak_memory(), in bytes; 0 where the system does not tell.
size_t peak_memory();
void forget_peak_memory();

/// The CPU's. Takes about a quarter of a second.
MachinePeak measure_peak(int threads);

/// That of the device: the CPU's as above; a GPU's by products of large matrices in the precision `compute` and by a
/// relu of a large tensor, both the ops that networks are made of.
MachinePeak measure_peak(Device& device, DType compute, int threads);

}  // namespace convoy
