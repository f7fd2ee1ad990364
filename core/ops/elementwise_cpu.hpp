// Elementwise loops that several CPU ops need, split over the team's threads.
#pragma once

#include <cstdint>

namespace convoy::cpu {

/// y = max(x, 0); NaN stays NaN. y may be x.
void relu(int64_t count, const float* x, float* y);

/// y += x.
void add(int64_t count, const float* x, float* y);

/// y[i] = the sum of x[i + t * step] over t < terms; terms is at least 1. Runs on the calling thread alone.
void sum_shifted(int64_t count, int64_t terms, int64_t step, const float* x, float* y);

/// Elements below which a second thread costs more than it brings.
constexpr int64_t elementwise_grain = 16384;

}  // namespace convoy::cpu
