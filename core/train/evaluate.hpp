// Accuracy and loss over a whole dataset: every sample counted exactly once, at any worker count.
#pragma once

#include <functional>
#include <span>

#include "core/train/lanes.hpp"

namespace convoy {

struct EvaluationReport {
  int64_t samples = 0;
  double loss = 0;  // mean; NaN if that of any sample is 2^96 or more, or not finite
  double top1 = 0, top5 = 0;
};

/// Where evaluation samples come from; called from several threads at once.
class SampleReader {
 public:
  virtual ~SampleReader() = default;
  virtual int64_t size() const = 0;
  /// Pictures made of one sample, such as ten crops; the predictions for them are averaged.
  virtual int64_t variants() const { return 1; }
  /// Copies samples [begin, begin + count) in file order: variants() images of each, of the net's pixel type, and its
  /// label.
  virtual void read(int64_t begin, int64_t count, void* images, int32_t* labels) const = 0;
};

/// Cuts the dataset into chunks of lane_batch images (the last is padded, padding is not counted); chunk c is run by
/// worker c % workers. `sum` adds the eight-byte integers over all workers in place (nothing to do for one worker).
/// lane_batch must be a multiple of the reader's variants(): where these are several, accuracy is that of the mean
/// prediction and, with `loss softmax`, so is the loss: minus the logarithm of the label's mean probability. With other
/// losses scores are averaged, and the loss is the mean over the variants.
EvaluationReport evaluate(Lanes& lanes, const Net& net, const SampleReader& reader, int worker, int workers,
                          const std::function<void(std::span<int64_t>)>& sum);

}  // namespace convoy
