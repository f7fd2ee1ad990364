// Random images in memory, for measuring: the same batch over and over.
#pragma once

#include <vector>

#include "core/base/random.hpp"
#include "core/train/seams.hpp"

namespace convoy {

class MadeUpBatch : public BatchSource {
 public:
  MadeUpBatch(const Shape& image, int64_t classes, int64_t count)
      : pixels_(static_cast<size_t>(image.count() * count)), labels_(static_cast<size_t>(count)) {
    const RandomStream random(1, RandomPurpose::test, 0);
    for (size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<uint8_t>(random.block(i / 4).word[i % 4]);
    for (size_t i = 0; i < labels_.size(); ++i) labels_[i] = static_cast<int32_t>(static_cast<int64_t>(i) % classes);
    batch_ = {.images = {.data = pixels_.data(), .shape = image.batched(count), .dtype = DType::u8}, .labels = labels_};
  }
  const Batch& next() override { return batch_; }

 private:
  std::vector<uint8_t> pixels_;
  std::vector<int32_t> labels_;
  Batch batch_;
};

}  // namespace convoy
