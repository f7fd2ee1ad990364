#include "core/train/lanes.hpp"

#include <algorithm>
#include <array>

#include "core/base/parallel.hpp"
#include "core/base/timer.hpp"
#include "core/train/lane_tree.hpp"
#include "core/train/team_pool.hpp"
#include "core/train/tree_sum.hpp"

namespace convoy {

struct Lanes::Impl {
  Net& net;
  LaneOptions options;
  std::vector<DeviceBuffer> activations;     // one per team
  std::vector<DeviceBuffer> lane_gradients;  // of lanes 1, 2, ...; lane 0 works in the arena
  std::vector<DeviceBuffer> pass_gradients;  // one per team: of one layer in passes 1, 2, ...; pass 0 needs none
  std::vector<float*> gradients;             // one per lane
  TeamPool pool;
  GradientSink* sink = nullptr;
  LaneTree tree;

  Impl(Net& n, const ParameterArena& arena, Device& device, const LaneOptions& o)
      : net(n),
        options(o),
        gradients(make_gradients(arena, device)),
        pool(o.teams(), o.threads_per_team()),
        tree(gradients, [this](size_t end) { sink->ready(end); }) {
    for (int team = 0; team < o.teams(); ++team) {
      activations.emplace_back(device, n.activation_bytes(), "activations");
      if (o.passes > 1) pass_gradients.emplace_back(device, n.largest_layer() * sizeof(float), "pass gradients");
    }
  }

  std::vector<float*> make_gradients(const ParameterArena& arena, Device& device) {
    std::vector<float*> out{arena.gradients().data()};
    for (int lane = 1; lane < options.lanes; ++lane) {
      lane_gradients.emplace_back(device, net.segments().size() * sizeof(float), "lane gradients");
      out.push_back(reinterpret_cast<float*>(lane_gradients.back().data()));
    }
    return out;
  }

  NetLane lane_on(int lane, int team) const {
    return {.team = team, .activations = activations[team].data(), .gradients = gradients[lane]};
  }

  /// The lanes of a team: [first, last).
  int first_lane(int team) const { return team * options.lanes / options.teams(); }

  void add_layer(std::span<const float> layer, float* sum, size_t begin) const;
  void run_pass(int pass, int lane, int team, const Batch& batch, LaneTotals& totals, Seconds& seconds);
};

namespace {

void add_to(LaneTotals& totals, ConstView prediction, const float* losses, const int32_t* labels) {
  const int64_t images = prediction.shape[0];
  const int64_t classes = prediction.shape.count() / images;
  for (int64_t n = 0; n < images; ++n) {
    const float* scores = prediction.f32() + n * classes;
    totals.loss += static_cast<double>(losses[n]);
    totals.correct += std::max_element(scores, scores + classes) - scores == labels[n] ? 1 : 0;
  }
}

/// sum += addend. By all threads of the team: nothing else is done meanwhile.
void accumulate(float* sum, const float* addend, size_t count) {
  constexpr int64_t grain = 1 << 16;  // fewer are not worth waking another thread
  parallel_for(static_cast<int64_t>(count), grain, [&](int64_t begin, int64_t end) {
    tree_sum({sum + begin, static_cast<size_t>(end - begin)}, std::array<const float*, 2>{sum + begin, addend + begin});
  });
}

}  // namespace

/// Adds one layer's gradients, which are those from `begin` on. Segment by segment: in the padding between them lies
/// what other layers left there.
void Lanes::Impl::add_layer(std::span<const float> layer, float* sum, size_t begin) const {
  const std::vector<Segment>& segments = net.segments().segments();
  auto segment = std::ranges::lower_bound(segments, begin, {}, &Segment::offset);
  for (; segment != segments.end() && segment->offset < begin + layer.size(); ++segment) {
    const size_t at = segment->offset - begin;
    accumulate(sum + at, layer.data() + at, segment->count);
  }
}

void Lanes::Impl::run_pass(int pass, int lane, int team, const Batch& batch, LaneTotals& totals, Seconds& seconds) {
  const int64_t first = (int64_t{lane} * options.passes + pass) * options.lane_batch;
  const size_t image_bytes = batch.images.bytes() / static_cast<size_t>(batch.images.shape[0]);
  const NetBatch share{
      .pixels = static_cast<const std::byte*>(batch.images.data) + static_cast<size_t>(first) * image_bytes,
      .labels = batch.labels.data() + first,
      .position = batch.position + first};
  NetLane net_lane = lane_on(lane, team);
  if (pass > 0) net_lane.one_layer = reinterpret_cast<float*>(pass_gradients[team].data());
  Timer timer;
  net.forward(net_lane, share, Mode::training);
  add_to(totals, net.prediction(net_lane), net.losses(net_lane), share.labels);
  seconds.forward += timer.lap();
  size_t added = 0;
  const auto ready = [&](size_t end) {
    if (pass > 0) add_layer({net_lane.one_layer, end - added}, gradients[lane] + added, added);
    added = end;
    if (pass + 1 == options.passes) tree.pass(lane, end);
  };
  net.backward(net_lane, share, 1.0f / static_cast<float>(options.global_batch), ready);
  seconds.backward += timer.lap();
}

Lanes::Lanes(Net& net, const ParameterArena& arena, Device& device, const LaneOptions& options)
    : impl_(std::make_unique<Impl>(net, arena, device, options)) {}

Lanes::~Lanes() = default;

const LaneOptions& Lanes::options() const {
  return impl_->options;
}

size_t Lanes::bytes(const Net& net, const LaneOptions& options) {
  const auto teams = static_cast<size_t>(options.teams());
  const size_t layers = options.passes > 1 ? teams * net.largest_layer() : 0;
  const size_t lanes = static_cast<size_t>(options.lanes - 1) * net.segments().size();
  return teams * net.activation_bytes() + (lanes + layers) * sizeof(float);
}

Lanes::Seconds Lanes::run(const Batch& batch, GradientSink& sink, std::span<LaneTotals> totals) {
  Impl& impl = *impl_;
  impl.sink = &sink;
  impl.tree.reset();
  std::vector<Seconds> seconds(static_cast<size_t>(impl.options.teams()));
  impl.pool.run([&](int team) {
    for (int lane = impl.first_lane(team); lane < impl.first_lane(team + 1); ++lane) {
      totals[lane] = {};
      for (int pass = 0; pass < impl.options.passes; ++pass) {
        impl.run_pass(pass, lane, team, batch, totals[lane], seconds[team]);
      }
    }
  });
  return *std::ranges::max_element(seconds, {}, [](const Seconds& s) { return s.forward + s.backward; });
}

void Lanes::evaluate(int64_t chunks, const std::function<NetBatch(int64_t, int)>& load,
                     const std::function<void(int, ConstView, const float*)>& visit) {
  Impl& impl = *impl_;
  impl.pool.run([&](int team) {
    const NetLane lane = impl.lane_on(0, team);
    for (int64_t chunk = team; chunk < chunks; chunk += impl.options.teams()) {
      impl.net.forward(lane, load(chunk, team), Mode::inference);
      visit(team, impl.net.prediction(lane), impl.net.losses(lane));
    }
  });
}

}  // namespace convoy
