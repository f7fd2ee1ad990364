#include "core/train/lanes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/parallel.hpp"
#include "core/base/timer.hpp"
#include "core/device/profiler.hpp"
#include "core/ops/score.hpp"
#include "core/train/lane_input.hpp"
#include "core/train/lane_tree.hpp"
#include "core/train/team_pool.hpp"
#include "core/train/tree_sum.hpp"

namespace convoy {

namespace {

/// A part of a pass's ops, recorded; then, unless `end` is 0, the sink is told that gradients in [0, end) are final.
struct Piece {
  std::unique_ptr<Recording> ops;
  size_t end = 0;
};

/// What evaluation looks at, on the host.
class HostResults {
 public:
  HostResults(Device& device, const Net& net) : device_(device), net_(net) {}

  ConstView prediction(const NetLane& lane) {
    return {.data = take(prediction_, net_.prediction(lane).f32(), count(lane)), .shape = net_.prediction(lane).shape};
  }
  const float* losses(const NetLane& lane) {
    return take(losses_, net_.losses(lane), static_cast<size_t>(net_.prediction(lane).shape[0]));
  }

 private:
  size_t count(const NetLane& lane) const { return static_cast<size_t>(net_.prediction(lane).shape.count()); }
  const float* take(std::vector<float>& copy, const float* values, size_t count) {
    if (device_.on_host()) return values;
    copy.resize(count);
    device_.download(copy.data(), values, count * sizeof(float));
    return copy.data();
  }

  Device& device_;
  const Net& net_;
  std::vector<float> prediction_, losses_;
};

}  // namespace

struct Lanes::Impl {
  Net& net;
  Device& device;
  LaneOptions options;
  std::vector<DeviceBuffer> activations;     // one per team
  std::vector<DeviceBuffer> lane_gradients;  // of lanes 1, 2, ...; lane 0 works in the arena
  std::vector<DeviceBuffer> pass_gradients;  // one per team: of one layer in passes 1, 2, ...; pass 0 needs none
  std::vector<float*> gradients;             // one per lane
  LaneInput input;
  std::unique_ptr<Score> score;
  DeviceBuffer scores;  // ScoreTotals, one per lane
  TeamPool pool;
  GradientSink* sink = nullptr;
  size_t announced = 0;  // gradients that are final, in this step
  LaneTree tree;
  std::vector<std::vector<Piece>> recorded;  // the passes of a step, lane by lane; empty: not recorded
  std::unique_ptr<Recorder> recorder;        // while a step is recorded

  Impl(Net& n, const ParameterArena& arena, Device& d, const LaneOptions& o)
      : net(n),
        device(d),
        options(o),
        gradients(make_gradients(arena)),
        input(d, n, o.lane_batch, o.lanes * o.passes),
        score(make_score(d, {.classes = classes_of(n)}, n.options().op)),
        scores(d, static_cast<size_t>(o.lanes) * sizeof(ScoreTotals), "scores"),
        pool(o.teams(), o.threads_per_team()),
        tree(d, gradients, [this](size_t end) { announce(end); }) {
    if (!d.on_host() && o.teams() > 1) fail(ExitCode::internal, "a device is given work by one thread");
    for (int team = 0; team < o.teams(); ++team) {
      activations.emplace_back(d, n.activation_bytes(), "activations");
      if (o.passes > 1) pass_gradients.emplace_back(d, n.largest_layer() * sizeof(float), "pass gradients");
    }
  }

  static int64_t classes_of(const Net& net) {
    return net.graph().nodes[static_cast<size_t>(net.graph().prediction())].output.count();
  }

  std::vector<float*> make_gradients(const ParameterArena& arena) {
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

  void begin_step(GradientSink& step_sink) {
    sink = &step_sink;
    announced = 0;
    tree.reset();
  }
  void announce(size_t end);
  void end_piece(size_t end);
  void add_layer(std::span<const float> layer, float* sum, size_t begin) const;
  void queue_pass(int pass, int lane, int team, const NetBatch& share, Seconds& seconds);
  ScoreTotals* scores_of(int lane) const { return reinterpret_cast<ScoreTotals*>(scores.data()) + lane; }
};

namespace {

/// sum += addend. By all threads of the team: nothing else is done meanwhile.
void accumulate(Device& device, float* sum, const float* addend, size_t count) {
  if (!device.on_host()) return tree_sum(device, {sum, count}, std::array<const float*, 2>{sum, addend});
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
    accumulate(device, sum + at, layer.data() + at, segment->count);
  }
}

void Lanes::Impl::announce(size_t end) {
  const size_t begin = std::exchange(announced, end);
  if (!recorder) return sink->ready(end);
  if (!sink->queue_update(begin, end)) end_piece(end);
}

void Lanes::Impl::end_piece(size_t end) {
  recorded.back().push_back({.ops = recorder->end(), .end = end});
  recorder->begin();
}

void Lanes::Impl::queue_pass(int pass, int lane, int team, const NetBatch& share, Seconds& seconds) {
  NetLane net_lane = lane_on(lane, team);
  if (pass > 0) net_lane.one_layer = reinterpret_cast<float*>(pass_gradients[team].data());
  Timer timer;
  net.forward(net_lane, share, Mode::training);
  score->forward({.team = team}, net.losses(net_lane), net.prediction(net_lane).f32(), share.labels, scores_of(lane),
                 pass == 0 ? Write::overwrite : Write::accumulate);
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

size_t Lanes::input_bytes(const Net& net, const LaneOptions& options) {
  return LaneInput::bytes(net, options.lane_batch, options.lanes * options.passes);
}

void Lanes::feed(const Batch& batch) {
  impl_->input.feed(batch);
}

void Lanes::settle() noexcept {
  try {
    impl_->input.wait();
  } catch (const Error&) {
    // The device is lost, and copies nothing any more; whoever asks it next says so.
  }
}

std::string Lanes::record(GradientSink& sink) {
  Impl& impl = *impl_;
  if (impl.device.on_host()) return "";
  impl.recorded.clear();
  impl.begin_step(sink);
  std::string problem;
  Seconds unused;
  try {
    impl.recorder = impl.device.make_recorder();
    for (int lane = 0; lane < impl.options.lanes; ++lane) {
      for (int pass = 0; pass < impl.options.passes; ++pass) {
        impl.recorded.emplace_back();
        impl.recorder->begin();
        impl.queue_pass(pass, lane, 0, impl.input.place(), unused);
        impl.recorded.back().push_back({.ops = impl.recorder->end()});
      }
    }
  } catch (const Error& error) {
    problem = error.what();
    impl.recorded.clear();
  }
  impl.recorder.reset();
  return problem;
}

Lanes::Seconds Lanes::run(GradientSink& sink, std::span<ScoreTotals> totals, const std::function<void()>& meanwhile) {
  Impl& impl = *impl_;
  const Timer timer;
  impl.begin_step(sink);
  std::vector<Seconds> seconds(static_cast<size_t>(impl.options.teams()));
  const bool replays = !impl.recorded.empty() && !impl.net.timing();
  impl.pool.run([&](int team) {
    for (int lane = impl.first_lane(team); lane < impl.first_lane(team + 1); ++lane) {
      for (int pass = 0; pass < impl.options.passes; ++pass) {
        const int number = lane * impl.options.passes + pass;
        const NetBatch share = impl.input.pass(number);
        if (!replays) {
          impl.queue_pass(pass, lane, team, share, seconds[team]);
          continue;
        }
        const ProfilerRange range("replay");
        for (const Piece& piece : impl.recorded[static_cast<size_t>(number)]) {
          piece.ops->replay();
          if (piece.end > 0) sink.ready(piece.end);
        }
      }
    }
  });
  Seconds slowest = *std::ranges::max_element(seconds, {}, [](const Seconds& s) { return s.forward + s.backward; });
  double elsewhere = 0;
  if (!impl.device.on_host() && meanwhile) {
    const Timer other;
    impl.input.wait();
    meanwhile();
    elsewhere = other.seconds();
  }
  impl.device.download(totals.data(), impl.scores.data(), impl.scores.bytes());
  if (!impl.device.on_host()) slowest.backward = timer.seconds() - elsewhere - slowest.forward;
  return slowest;
}

Lanes::Seconds Lanes::run(const Batch& batch, GradientSink& sink, std::span<ScoreTotals> totals) {
  feed(batch);
  return run(sink, totals, {});
}

void Lanes::evaluate(int64_t chunks, const std::function<NetBatch(int64_t, int)>& load,
                     const std::function<void(int, ConstView, const float*)>& visit) {
  Impl& impl = *impl_;
  impl.pool.run([&](int team) {
    const NetLane lane = impl.lane_on(0, team);
    HostResults results(impl.device, impl.net);
    for (int64_t chunk = team; chunk < chunks; chunk += impl.options.teams()) {
      impl.net.forward(lane, impl.input.take(load(chunk, team)), Mode::inference);
      visit(team, results.prediction(lane), results.losses(lane));
    }
  });
}

}  // namespace convoy
