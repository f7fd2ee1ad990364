// How good scores are: the sum of the losses of a call, and how many of its images are told right.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct ScoreSpec {
  int64_t classes = 1;
};

struct ScoreTotals {
  double loss = 0;
  double correct = 0;
};

class Score {
 public:
  virtual ~Score() = default;

  /// totals = or += the sum of losses (N), in double and in a fixed order, 0 where `losses` is null; and the number of
  /// images whose label (N) is the place of the first highest score in prediction (N,classes). NaN is never highest,
  /// but where it is the first score: then that is. `totals` is the device's memory.
  virtual void forward(const OpContext& context, const float* losses, const float* prediction, const int32_t* labels,
                       ScoreTotals* totals, Write write) = 0;
};

std::unique_ptr<Score> make_score(Device& device, const ScoreSpec& spec, const OpOptions& options);
std::unique_ptr<Score> make_score_cpu(Device& device, const ScoreSpec& spec, const OpOptions& options);
std::unique_ptr<Score> make_score_cuda(Device& device, const ScoreSpec& spec, const OpOptions& options);

}  // namespace convoy
