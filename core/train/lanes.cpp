#include "core/train/lanes.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/parallel.hpp"
#include "core/base/timer.hpp"
#include "core/device/profiler.hpp"
#include "core/ops/score.hpp"
#include "core/train/lane_tree.hpp"
#include "core/train/team_pool.hpp"
#include "core/train/tree_sum.hpp"

namespace convoy {

namespace {

/// Images and labels of one pass where the device reads them: a copy, unless that is where they are.
class DeviceInput {
 public:
  DeviceInput(Device& device, const Net& net, int64_t images)
      : device_(device), pixel_bytes_(pixel_bytes(net, images)), numbers_(number_bytes(images)) {
    if (device.on_host()) return;
    pixels_ = DeviceBuffer(device, pixel_bytes_, "images");
    device_numbers_ = DeviceBuffer(device, numbers_.size(), "labels");
  }

  static size_t pixel_bytes(const Net& net, int64_t images) {
    const PixelsSpec& pixels = net.options().pixels;
    return static_cast<size_t>(images * pixels.input.count()) * size_of(pixels.dtype);
  }
  /// Of the position, and labels behind it.
  static size_t number_bytes(int64_t images) {
    return sizeof(int64_t) + static_cast<size_t>(images) * sizeof(int32_t);
  }

  /// Where take() puts training's batches.
  NetBatch place() const {
    return {.pixels = pixels_.data(),
            .labels = reinterpret_cast<const int32_t*>(device_numbers_.data() + sizeof(int64_t)),
            .position = reinterpret_cast<const int64_t*>(device_numbers_.data())};
  }

  NetBatch take(const NetBatch& batch) {
    if (device_.on_host()) return batch;
    NetBatch copy = place();
    device_.upload(pixels_.data(), batch.pixels, pixel_bytes_);
    if (!batch.position) copy.position = nullptr;
    if (!batch.labels) copy.labels = nullptr;
    if (batch.position) std::memcpy(numbers_.data(), batch.position, sizeof(int64_t));
    if (batch.labels) {
      std::memcpy(numbers_.data() + sizeof(int64_t), batch.labels, numbers_.size() - sizeof(int64_t));
    }
    device_.upload(device_numbers_.data(), numbers_.data(), numbers_.size());
    return copy;
  }

 private:
  Device& device_;
  size_t pixel_bytes_;
  std::vector<std::byte> numbers_;  // one upload, as each takes its time, however short
  DeviceBuffer pixels_, device_numbers_;
};

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
  std::vector<DeviceInput> inputs;           // one per team
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
        score(make_score(d, {.classes = classes_of(n)}, n.options().op)),
        scores(d, static_cast<size_t>(o.lanes) * sizeof(ScoreTotals), "scores"),
        pool(o.teams(), o.threads_per_team()),
        tree(d, gradients, [this](size_t end) { announce(end); }) {
    for (int team = 0; team < o.teams(); ++team) {
      inputs.emplace_back(d, n, o.lane_batch);
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
  NetBatch take_input(int pass, int lane, int team, const Batch& batch, int64_t& position);
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

/// `position` is where the batch's is kept for ops of the host.
NetBatch Lanes::Impl::take_input(int pass, int lane, int team, const Batch& batch, int64_t& position) {
  const int64_t first = (int64_t{lane} * options.passes + pass) * options.lane_batch;
  const size_t image_bytes = batch.images.bytes() / static_cast<size_t>(batch.images.shape[0]);
  position = batch.position + first;
  return inputs[team].take(
      {.pixels = static_cast<const std::byte*>(batch.images.data) + static_cast<size_t>(first) * image_bytes,
       .labels = batch.labels.data() + first,
       .position = &position});
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
  const size_t images =
      DeviceInput::pixel_bytes(net, options.lane_batch) + DeviceInput::number_bytes(options.lane_batch);
  return static_cast<size_t>(options.teams()) * images;
}

std::string Lanes::record(GradientSink& sink) {
  Impl& impl = *impl_;
  if (impl.device.on_host() || impl.options.teams() > 1) return "";
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
        impl.queue_pass(pass, lane, 0, impl.inputs[0].place(), unused);
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

Lanes::Seconds Lanes::run(const Batch& batch, GradientSink& sink, std::span<ScoreTotals> totals) {
  Impl& impl = *impl_;
  const Timer timer;
  impl.begin_step(sink);
  std::vector<Seconds> seconds(static_cast<size_t>(impl.options.teams()));
  const bool replays = !impl.recorded.empty() && !impl.net.timing();
  impl.pool.run([&](int team) {
    for (int lane = impl.first_lane(team); lane < impl.first_lane(team + 1); ++lane) {
      for (int pass = 0; pass < impl.options.passes; ++pass) {
        int64_t position = 0;
        const NetBatch share = impl.take_input(pass, lane, team, batch, position);
        if (replays) {
          const ProfilerRange range("replay");
          for (const Piece& piece : impl.recorded[static_cast<size_t>(lane * impl.options.passes + pass)]) {
            piece.ops->replay();
            if (piece.end > 0) sink.ready(piece.end);
          }
        } else {
          impl.queue_pass(pass, lane, team, share, seconds[team]);
        }
      }
    }
  });
  impl.device.download(totals.data(), impl.scores.data(), impl.scores.bytes());
  Seconds slowest =
      *std::ranges::max_element(seconds, {}, [](const Seconds& s) { return s.forward + s.backward; });
  if (!impl.device.on_host()) slowest.backward = timer.seconds() - slowest.forward;
  return slowest;
}

void Lanes::evaluate(int64_t chunks, const std::function<NetBatch(int64_t, int)>& load,
                     const std::function<void(int, ConstView, const float*)>& visit) {
  Impl& impl = *impl_;
  impl.pool.run([&](int team) {
    const NetLane lane = impl.lane_on(0, team);
    HostResults results(impl.device, impl.net);
    for (int64_t chunk = team; chunk < chunks; chunk += impl.options.teams()) {
      impl.net.forward(lane, impl.inputs[team].take(load(chunk, team)), Mode::inference);
      visit(team, results.prediction(lane), results.losses(lane));
    }
  });
}

}  // namespace convoy
