// Lanes: how one worker's share of the global batch is split and its gradient put together again.
//
// A worker's share is cut into lanes of equal size. A team (a thread, or a few) runs lanes one after another, teams run
// side by side. The lanes' gradients are summed along one fixed binary tree over the lane index - ((0+1)+(2+3))+... -
// so the bits depend on the lanes and not on who ran them. With exact=on the tree goes on across workers
// (distributed/), and the result is the same at any number of workers and threads.
//
// Where memory is short a lane takes its images in several passes, which share the activations. The gradients of each
// pass are added, layer by layer, to those of the passes before it - ((p0+p1)+p2)+... - and only the last pass
// announces ranges.
//
// With one lane and one pass there is no copy: its gradients are the arena's.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "core/graph/net.hpp"
#include "core/ops/score.hpp"
#include "core/train/seams.hpp"

namespace convoy {

struct LaneOptions {
  int lanes = 1;             // of this worker
  int threads = 1;           // of this worker; divided over min(lanes, threads) teams
  int64_t lane_batch = 1;    // images of one lane in one pass
  int passes = 1;            // of each lane in a step, one after another
  int64_t global_batch = 1;  // for the loss scale 1 / B

  int teams() const { return lanes < threads ? lanes : threads; }
  int threads_per_team() const { return threads / teams(); }
  int64_t lane_images() const { return lane_batch * passes; }  // of one lane in a step
};

class Lanes {
 public:
  /// `net` must have been prepared for lane_batch, teams() and threads_per_team().
  Lanes(Net& net, const ParameterArena& arena, Device& device, const LaneOptions& options);
  ~Lanes();

  /// Bytes of activations and gradients (of lanes, and of a layer in one pass) that a Lanes with these options
  /// allocates.
  static size_t bytes(const Net& net, const LaneOptions& options);

  /// Bytes of images and labels that it allocates on a device with memory of its own.
  static size_t input_bytes(const Net& net, const LaneOptions& options);

  /// Records what a step queues on the device: from then on run() copies its images there and replays that. Where the
  /// sink's part is the host's, what lies between two calls of ready() is recorded. Returns why the device could not,
  /// or "", as on the CPU, whose ops run at once. To be called after a step of the same `sink` has run, which lets
  /// libraries load, and between begin() of the next one and run(); not while the net takes time, for which it waits.
  std::string record(GradientSink& sink);

  /// Of the slowest team. Beside a device that the host only gives work to, what is no queueing of forward is backward.
  struct Seconds {
    double forward = 0, backward = 0;
  };

  /// Gives the batch of the next run(): lanes * lane_images() images, lane by lane. A device begins to copy it. It must
  /// stay as it is until that run() returns or, on a device, calls `meanwhile`.
  void feed(const Batch& batch);

  /// Waits until nothing is copied any more of a batch that was fed and will not be run: it may go then.
  void settle() noexcept;

  /// Forward and backward of every lane over the batch that was fed; gradients sums of this worker's lanes go to the
  /// arena and are announced to `sink.ready`. totals has one entry per lane. On a device `meanwhile` is called, if
  /// there is one, while it computes: to feed the next batch.
  Seconds run(GradientSink& sink, std::span<ScoreTotals> totals, const std::function<void()>& meanwhile);
  Seconds run(const Batch& batch, GradientSink& sink, std::span<ScoreTotals> totals);

  /// A forward pass in inference mode over each chunk in [0, chunks) of lane_batch images. `load` gives a chunk's
  /// images and labels, `visit` sees the results; calls for different chunks come from different teams at once.
  void evaluate(int64_t chunks, const std::function<NetBatch(int64_t chunk, int team)>& load,
                const std::function<void(int team, ConstView prediction, const float* losses)>& visit);

  const LaneOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
