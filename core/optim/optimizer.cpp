#include "core/optim/optimizer.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/base/text.hpp"

namespace convoy {

namespace {

CONVOY_ISA_CLONES void sgd_kernel(float* w, const float* g, size_t n, float rate, float decay) {
  for (size_t i = 0; i < n; ++i) w[i] -= rate * (g[i] + decay * w[i]);
}

CONVOY_ISA_CLONES void momentum_kernel(float* w, const float* g, float* v, size_t n, float rate, float mu,
                                       float decay) {
  for (size_t i = 0; i < n; ++i) {
    v[i] = mu * v[i] + (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

/// Calls update(first, count, rate, decay) for the part of each segment that lies in [begin, end).
template <typename Update>
void for_each_part(const OptimizerOptions& options, const SegmentTable& table, size_t begin, size_t end, float rate,
                   const Update& update) {
  const auto& segments = table.segments();
  auto segment = std::ranges::upper_bound(segments, begin, {}, [](const Segment& s) { return s.offset + s.count; });
  for (; segment != segments.end() && segment->offset < end; ++segment) {
    const size_t first = std::max(begin, segment->offset);
    const size_t last = std::min(end, segment->offset + segment->count);
    if (first >= last) continue;
    const float decay = options.decay_bias ? options.weight_decay : options.weight_decay * segment->decay_multiplier;
    update(first, last - first, rate * segment->rate_multiplier, decay);
  }
}

class Sgd : public Optimizer {
 public:
  explicit Sgd(const OptimizerOptions& options) : options_(options) {}
  std::vector<std::string> slots() const override { return {}; }
  void update(const ParameterArena& arena, size_t begin, size_t end, float rate, int64_t) const override {
    float* w = arena.weights().data();
    const float* g = arena.gradients().data();
    for_each_part(options_, arena.table(), begin, end, rate, [&](size_t first, size_t count, float r, float decay) {
      sgd_kernel(w + first, g + first, count, r, decay);
    });
  }

 private:
  OptimizerOptions options_;
};

class Momentum : public Optimizer {
 public:
  explicit Momentum(const OptimizerOptions& options) : options_(options) {}
  std::vector<std::string> slots() const override { return {"momentum"}; }
  void update(const ParameterArena& arena, size_t begin, size_t end, float rate, int64_t) const override {
    float* w = arena.weights().data();
    const float* g = arena.gradients().data();
    float* v = arena.slot(0).data();
    for_each_part(options_, arena.table(), begin, end, rate, [&](size_t first, size_t count, float r, float decay) {
      momentum_kernel(w + first, g + first, v + first, count, r, options_.momentum, decay);
    });
  }

 private:
  OptimizerOptions options_;
};

}  // namespace

std::vector<std::string> optimizer_names() {
  return {"sgd", "momentum"};
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options) {
  if (options.name == "sgd") return std::make_unique<Sgd>(options);
  if (options.name == "momentum") return std::make_unique<Momentum>(options);
  const std::string near = nearest_word(options.name, optimizer_names());
  fail(ExitCode::usage, "optimizer '", options.name, "' is not known; ",
       near.empty() ? "use one of: " + join(optimizer_names(), ", ") : "did you mean '" + near + "'?");
}

}  // namespace convoy
