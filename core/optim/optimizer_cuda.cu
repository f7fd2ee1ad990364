// Optimizers on a GPU. A range of the arena is updated by one kernel: each thread takes four neighbours, finds the
// segment they lie in and reads what this step does to it from a table that is sent once per step.
#include <cstring>
#include <mutex>
#include <vector>

#include "core/device/cuda.hpp"
#include "core/optim/update_method.hpp"

namespace convoy {
namespace {

constexpr unsigned group = SegmentTable::alignment;  // elements; a group never lies in two segments
constexpr int width = 4;                             // elements of a thread

/// Where a segment lies.
struct Place {
  uint32_t first_group;
  uint64_t end;  // in elements, padding left out
};

struct Table {
  const Place* places;
  const SegmentFactors* factors;
  uint32_t segments;
};

struct Range {
  size_t begin, end;
  float* weights;
  const float* gradients;  // from `begin` on
  float* slots[2];
  bool aligned;  // whether four gradients can be read at once
};

template <Rule rule>
__device__ void update_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w, float& a, float& b) {
  if (s.average_rate != 0) return average_element(s.average_rate, g, w);
  // NOLINTNEXTLINE(bugprone-branch-clone): before `rule` is known all branches look alike
  if constexpr (rule == Rule::sgd) {
    sgd_element(s, g, w);
  } else if constexpr (rule == Rule::momentum) {
    momentum_element(f, s, g, w, a);
  } else if constexpr (rule == Rule::nesterov) {
    nesterov_element(f, s, g, w, a);
  } else if constexpr (rule == Rule::adagrad) {
    adagrad_element(f, s, g, w, a);
  } else if constexpr (rule == Rule::rmsprop) {
    rmsprop_element(f, s, g, w, a);
  } else if constexpr (rule == Rule::rmsprop_momentum) {
    rmsprop_momentum_element(f, s, g, w, a, b);
  } else if constexpr (rule == Rule::adadelta) {
    adadelta_element(f, s, g, w, a, b);
  } else {
    adam_element(f, s, g, w, a, b);
  }
}

/// The last segment that does not begin behind the group.
__device__ uint32_t segment_of(const Table& table, uint32_t wanted) {
  uint32_t low = 0, high = table.segments;
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    if (table.places[middle].first_group <= wanted) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

__device__ float4 load(const float* from) {
  return *reinterpret_cast<const float4*>(from);
}
__device__ void store(float* to, const float4& values) {
  *reinterpret_cast<float4*>(to) = values;
}

template <Rule rule>
__global__ void update_kernel(Range range, Table table, RuleFactors factors) {
  constexpr int slots = slots_of(rule);
  const size_t first = range.begin / group * group + (size_t{blockIdx.x} * blockDim.x + threadIdx.x) * width;
  if (first >= range.end) return;
  // Asked for before the segment is known, so that the memory works while the table is searched.
  const bool whole = range.aligned && first >= range.begin && first + width <= range.end;
  float4 g{}, w{}, a{}, b{};
  if (whole) {
    g = load(range.gradients + (first - range.begin));
    w = load(range.weights + first);
    if constexpr (slots > 0) a = load(range.slots[0] + first);
    if constexpr (slots > 1) b = load(range.slots[1] + first);
  }
  const uint32_t segment = segment_of(table, static_cast<uint32_t>(first / group));
  const SegmentFactors s = table.factors[segment];
  const size_t segment_end = table.places[segment].end;
  if (whole && first + width <= segment_end) {
    update_element<rule>(factors, s, g.x, w.x, a.x, b.x);
    update_element<rule>(factors, s, g.y, w.y, a.y, b.y);
    update_element<rule>(factors, s, g.z, w.z, a.z, b.z);
    update_element<rule>(factors, s, g.w, w.w, a.w, b.w);
    store(range.weights + first, w);
    if constexpr (slots > 0) store(range.slots[0] + first, a);
    if constexpr (slots > 1) store(range.slots[1] + first, b);
    return;
  }
  const size_t border = range.end < segment_end ? range.end : segment_end;
  for (size_t i = first; i < first + width; ++i) {
    if (i < range.begin || i >= border) continue;
    float none = 0;
    update_element<rule>(factors, s, range.gradients[i - range.begin], range.weights[i],
                         slots > 0 ? range.slots[0][i] : none, slots > 1 ? range.slots[1][i] : none);
  }
}

template <Rule rule>
void launch_update(cudaStream_t stream, const Range& range, const Table& table, const RuleFactors& factors) {
  constexpr size_t of_block = size_t{cuda::block_threads} * width;
  const size_t elements = range.end - range.begin / group * group;
  cuda::launch(stream, static_cast<unsigned>((elements + of_block - 1) / of_block), cuda::block_threads,
               update_kernel<rule>, range, table, factors);
}

void launch_update(Rule rule, cudaStream_t stream, const Range& range, const Table& table, const RuleFactors& factors) {
  switch (rule) {
    case Rule::sgd: return launch_update<Rule::sgd>(stream, range, table, factors);
    case Rule::momentum: return launch_update<Rule::momentum>(stream, range, table, factors);
    case Rule::nesterov: return launch_update<Rule::nesterov>(stream, range, table, factors);
    case Rule::adagrad: return launch_update<Rule::adagrad>(stream, range, table, factors);
    case Rule::rmsprop: return launch_update<Rule::rmsprop>(stream, range, table, factors);
    case Rule::rmsprop_momentum: return launch_update<Rule::rmsprop_momentum>(stream, range, table, factors);
    case Rule::adadelta: return launch_update<Rule::adadelta>(stream, range, table, factors);
    case Rule::adam: return launch_update<Rule::adam>(stream, range, table, factors);
  }
}

bool same_bits(std::span<const SquaredNorms> a, std::span<const SquaredNorms> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

class CudaOptimizer final : public Optimizer {
 public:
  CudaOptimizer(Device& device, const SegmentTable& table, const OptimizerOptions& options)
      : device_(device),
        method_(options),
        table_(table),
        places_(device, count() * sizeof(Place), "an optimizer's segments"),
        factors_(device, count() * sizeof(SegmentFactors), "an optimizer's factors") {
    std::vector<Place> places;
    for (const Segment& segment : table_.segments()) {
      places.push_back(
          {.first_group = static_cast<uint32_t>(segment.offset / group), .end = segment.offset + segment.count});
    }
    device.upload(places_.data(), places.data(), places_.bytes());
  }

  std::vector<std::string> slots() const override { return method_.slots(); }
  NormNeed norm_need() const override { return method_.norm_need(); }

  void prepare(const UpdateStep& step) const override {
    const std::lock_guard lock(mutex_);
    if (prepared_ && step.step == step_ && step.rate == rate_ && same_bits(step.norms, norms_)) return;
    const UpdateMethod::StepFactors common = method_.factors_of(step);
    std::vector<SegmentFactors> factors(count());
    for (size_t i = 0; i < factors.size(); ++i) factors[i] = method_.factors_of(table_, i, step, common);
    device_.upload(factors_.data(), factors.data(), factors_.bytes());
    step_ = step.step;
    rate_ = step.rate;
    norms_.assign(step.norms.begin(), step.norms.end());
    prepared_ = true;
  }

  void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
              const UpdateStep& step) const override {
    if (gradients.empty()) return;
    prepare(step);
    Range range{.begin = begin,
                .end = begin + gradients.size(),
                .weights = arena.weights().data(),
                .gradients = gradients.data(),
                .slots = {},
                .aligned = (reinterpret_cast<uintptr_t>(gradients.data()) / sizeof(float) - begin) % width == 0};
    for (int slot = 0; slot < slots_of(method_.rule()); ++slot) range.slots[slot] = arena.slot(slot).data();
    const Table table{.places = reinterpret_cast<const Place*>(places_.data()),
                      .factors = reinterpret_cast<const SegmentFactors*>(factors_.data()),
                      .segments = static_cast<uint32_t>(count())};
    launch_update(method_.rule(), cuda::stream_of(device_), range, table, method_.factors());
  }

 private:
  size_t count() const { return table_.segments().size(); }

  Device& device_;
  const UpdateMethod method_;
  const SegmentTable table_;
  DeviceBuffer places_, factors_;
  // What the factors on the device stand for.
  mutable std::mutex mutex_;
  mutable bool prepared_ = false;
  mutable int64_t step_ = 0;
  mutable float rate_ = 0;
  mutable std::vector<SquaredNorms> norms_;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer_cuda(Device& device, const SegmentTable& table,
                                               const OptimizerOptions& options) {
  return std::make_unique<CudaOptimizer>(device, table, options);
}

}  // namespace convoy
