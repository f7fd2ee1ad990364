// Division by a number that is known before a kernel starts, by one multiplication: a GPU has no division of integers.
// (H. Warren, Hacker's Delight, chapter 10.)
#pragma once

#include <cstdint>

#include "core/base/host_device.hpp"

namespace convoy::cuda {

/// Of n below 2^31, by a divisor from 1 to 2^31.
class FastDivision {
 public:
  FastDivision() = default;
  explicit FastDivision(int64_t divisor) : divisor_(static_cast<uint32_t>(divisor)) {
    while (int64_t{1} << shift_ < divisor) ++shift_;
    const uint64_t excess = (uint64_t{1} << shift_) - static_cast<uint64_t>(divisor);
    factor_ = static_cast<uint32_t>((excess << 32) / static_cast<uint64_t>(divisor) + 1);
  }

  CONVOY_HOST_DEVICE uint32_t divisor() const { return divisor_; }
  CONVOY_HOST_DEVICE uint32_t quotient(uint32_t n) const {
    return (static_cast<uint32_t>(uint64_t{n} * factor_ >> 32) + n) >> shift_;
  }
  /// Leaves the quotient in n and returns the remainder.
  CONVOY_HOST_DEVICE uint32_t split(uint32_t& n) const {
    const uint32_t whole = n;
    n = quotient(whole);
    return whole - n * divisor_;
  }

 private:
  uint32_t divisor_ = 1, factor_ = 1, shift_ = 0;
};

}  // namespace convoy::cuda
