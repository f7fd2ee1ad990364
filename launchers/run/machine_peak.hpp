// What this machine could do at best: measured, not looked up.
#pragma once

#include <cstddef>

namespace convoy {

struct MachinePeak {
  double flops = 0;         // fp32 multiply-adds in registers count two; per second, all threads together
  double bytes_copied = 0;  // read and written by a copy of memory too large for any cache; per second
};

/// The most memory this process held since forget_peak_memory(), in bytes; 0 where the system does not tell.
size_t peak_memory();
void forget_peak_memory();

/// Takes about a quarter of a second.
MachinePeak measure_peak(int threads);

}  // namespace convoy
