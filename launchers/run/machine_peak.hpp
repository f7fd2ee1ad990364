// What this machine could do at best: measured, not looked up.
#pragma once

namespace convoy {

struct MachinePeak {
  double flops = 0;         // fp32 multiply-adds in registers count two; per second, all threads together
  double bytes_copied = 0;  // read and written by a copy of memory too large for any cache; per second
};

/// Takes about a quarter of a second.
MachinePeak measure_peak(int threads);

}  // namespace convoy
