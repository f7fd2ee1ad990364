#include "core/memory/segment_table.hpp"

namespace convoy {

size_t SegmentTable::add(Segment segment) {
  segment.offset = size_;
  segment.count = static_cast<size_t>(segment.shape.count());
  size_ += (segment.count + alignment - 1) / alignment * alignment;
  parameter_count_ += segment.count;
  segments_.push_back(std::move(segment));
  return segments_.size() - 1;
}

const Segment* SegmentTable::find(std::string_view name) const {
  for (const Segment& segment : segments_) {
    if (segment.name == name) return &segment;
  }
  return nullptr;
}

}  // namespace convoy
