// Where several buffers lie in one block of memory.
#pragma once

#include <cstddef>

namespace convoy {

/// Offsets of buffers laid one after another on 256-byte borders.
class Layout {
 public:
  size_t add(size_t bytes) {
    const size_t offset = bytes_;
    bytes_ += (bytes + 255) / 256 * 256;
    return offset;
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

}  // namespace convoy
