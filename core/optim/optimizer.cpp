// Optimizers on the CPU: the walk over the segments of a range.
#include "core/optim/optimizer.hpp"

#include <algorithm>

#include "core/optim/update_kernels.hpp"
#include "core/optim/update_method.hpp"

namespace convoy {
namespace {

class CpuOptimizer final : public Optimizer {
 public:
  explicit CpuOptimizer(const OptimizerOptions& options) : method_(options) {}

  std::vector<std::string> slots() const override { return method_.slots(); }
  NormNeed norm_need() const override { return method_.norm_need(); }

  void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
              const UpdateStep& step) const override {
    const size_t end = begin + gradients.size();
    const UpdateMethod::StepFactors common = method_.factors_of(step);
    const auto& segments = arena.table().segments();
    auto segment = std::ranges::upper_bound(segments, begin, {}, [](const Segment& s) { return s.offset + s.count; });
    for (; segment != segments.end() && segment->offset < end; ++segment) {
      const size_t first = std::max(begin, segment->offset);
      const size_t last = std::min(end, segment->offset + segment->count);
      if (first >= last) continue;
      const auto index = static_cast<size_t>(segment - segments.begin());
      UpdateSpan span{.count = last - first,
                      .weights = arena.weights().data() + first,
                      .gradients = gradients.data() + (first - begin),
                      .factors = method_.factors_of(arena.table(), index, step, common)};
      if (!segment->is_parameter()) {
        average_kernel(span);
        continue;
      }
      for (int slot = 0; slot < arena.slots(); ++slot) {
        span.slots[static_cast<size_t>(slot)] = arena.slot(slot).data() + first;
      }
      update_kernel(method_.rule(), method_.factors(), span);
    }
  }

 private:
  UpdateMethod method_;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options) {
  return std::make_unique<CpuOptimizer>(options);
}

std::unique_ptr<Optimizer> make_optimizer(Device& device, const SegmentTable& table, const OptimizerOptions& options) {
  if (device.backend() == Backend::cuda) return make_optimizer_cuda(device, table, options);
  return make_optimizer(options);
}

}  // namespace convoy
