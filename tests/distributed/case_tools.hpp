// What the lists of cases have in common.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/base/error.hpp"
#include "tests/distributed/communicator_cases.hpp"

namespace convoy {

template <typename... Args>
void require(bool condition, const Args&... what) {
  if (!condition) throw std::logic_error(concat(what...));
}

inline bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

/// Floats where the setting wants them; one at a time for each rank.
class Buffer {
 public:
  Buffer(const Communicator& communicator, const CaseSetting& setting, size_t size, float value = 0) {
    if (setting.memory.empty()) heap_.resize(size);
    // Not at the same place in every rank's memory.
    const auto place = static_cast<size_t>(communicator.rank());
    data_ = setting.memory.empty() ? std::span(heap_) : setting.memory.subspan(place, size);
    std::ranges::fill(data_, value);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  operator std::span<float>() const { return data_; }
  std::span<float> span() const { return data_; }
  size_t size() const { return data_.size(); }
  float& operator[](size_t i) const { return data_[i]; }
  size_t index_of(const float& element) const { return static_cast<size_t>(&element - data_.data()); }

 private:
  std::vector<float> heap_;
  std::span<float> data_;
};

inline float expected_sum(const Communicator& communicator, const CaseSetting& setting, size_t index) {
  return setting.groups.empty() ? expected_sum(communicator.size(), index) : expected_sum(setting.groups, index);
}

/// The bf16 number nearest to `value`, ties to even, by arithmetic: no bits are looked at.
inline float nearest_bf16(float value) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent = 0;
  std::frexp(value, &exponent);
  // 8 bits of mantissa; denormals have the step of the smallest normal numbers.
  const double step = std::ldexp(1.0, std::max(exponent, -125) - 8);
  const double rounded = std::nearbyint(static_cast<double>(value) / step) * step;
  if (std::abs(rounded) >= 0x1p128) return std::copysign(HUGE_VALF, value);
  return static_cast<float>(rounded);
}

/// The cases of Wire::bf16, a part of communicator_cases().
std::vector<CommunicatorCase> wire_cases();

}  // namespace convoy
