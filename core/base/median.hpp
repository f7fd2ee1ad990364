// The middle of several measurements.
#pragma once

#include <algorithm>
#include <vector>

namespace convoy {

/// The upper of the two middle values where their number is even; there must be one.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace convoy
