// The table of optimizers, and the numbers with which one updates each segment at a step: the same on every device.
// Private to core/optim.
#pragma once

#include <string>
#include <vector>

#include "core/optim/optimizer.hpp"
#include "core/optim/update_elements.hpp"

namespace convoy {

class UpdateMethod {
 public:
  /// Throws as make_optimizer does.
  explicit UpdateMethod(const OptimizerOptions& options);

  std::vector<std::string> slots() const;
  NormNeed norm_need() const;

  Rule rule() const;
  const RuleFactors& factors() const { return factors_; }

  /// What all segments of a step have in common.
  struct StepFactors {
    double clip_scale = 1;
    double first_moment = 1;  // 1 - beta1^t
    float root2 = 1;
  };
  StepFactors factors_of(const UpdateStep& step) const;
  SegmentFactors factors_of(const SegmentTable& table, size_t segment, const UpdateStep& step,
                            const StepFactors& common) const;

 private:
  struct Row;
  static const std::vector<Row>& rows();
  static const Row& row_of(const std::string& name);
  friend std::vector<std::string> optimizer_names();
  friend std::vector<std::string> unused_optimizer_keys(const OptimizerOptions& options);

  const Row& row_;
  OptimizerOptions options_;
  RuleFactors factors_;
};

/// The optimizer of a GPU.
std::unique_ptr<Optimizer> make_optimizer_cuda(Device& device, const SegmentTable& table,
                                               const OptimizerOptions& options);

}  // namespace convoy
