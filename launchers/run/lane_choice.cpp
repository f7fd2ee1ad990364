// How the global batch is divided over workers, lanes and threads.
#include "launchers/run/lane_choice.hpp"

#include <algorithm>

#include "core/base/error.hpp"

namespace convoy {
namespace {

// With more parameters than this, a copy of the gradients per lane costs more than the barriers of a shared pass.
constexpr int64_t few_parameters = 4'000'000;

/// The multiple of `unit` nearest to `value`, at least one unit.
int64_t nearest_multiple(int64_t value, int64_t unit) {
  return std::max<int64_t>(1, (value + unit / 2) / unit) * unit;
}

void check_batch(int64_t batch, int64_t parts, const char* what) {
  if (batch % parts == 0) return;
  fail(ExitCode::usage, "batch ", batch, " cannot be divided over ", parts, " ", what, " (", batch, " = ",
       batch / parts, " * ", parts, " + ", batch % parts, "); use --batch ", nearest_multiple(batch, parts));
}

/// The power of two nearest to `lanes` that `workers` divides, or 0 where there is none.
int nearest_lanes(int lanes, int workers) {
  if (workers & (workers - 1)) return 0;
  int best = workers;
  for (int candidate = workers; candidate <= 65536; candidate *= 2) {
    if (std::abs(candidate - lanes) < std::abs(best - lanes)) best = candidate;
  }
  return best;
}

int check_lanes(const LaneQuestion& q) {
  const int lanes = q.lanes ? q.lanes : 8;
  if ((lanes & (lanes - 1)) == 0 && lanes % q.workers == 0) return lanes;
  const int nearest = nearest_lanes(lanes, q.workers);
  const std::string remedy =
      nearest ? concat("use --lanes ", nearest) : std::string("start 1, 2, 4, 8, ... workers instead");
  if (lanes & (lanes - 1)) fail(ExitCode::usage, "lanes ", lanes, " is not a power of two; ", remedy);
  fail(ExitCode::usage, "lanes ", lanes, " cannot be divided over ", q.workers, " workers; ", remedy);
}

/// Images that `teams` teams are to have in their passes at once, each those of a lane of `lane_images` images.
void check_micro_batch(const LaneQuestion& q, int64_t lane_images, int64_t teams) {
  if (q.micro_batch % teams == 0 && lane_images % (q.micro_batch / teams) == 0) return;
  int64_t nearest = teams;
  for (int64_t images = 1; images <= lane_images; ++images) {
    if (lane_images % images != 0) continue;
    if (std::abs(images * teams - q.micro_batch) < std::abs(nearest - q.micro_batch)) nearest = images * teams;
  }
  const std::string part = teams == 1 ? "" : concat(" in ", teams, " lanes at once");
  fail(ExitCode::usage, "micro-batch ", q.micro_batch, " does not divide the ", lane_images * teams,
       " images that each worker has", part, " of batch ", q.batch, "; use --micro-batch ", nearest);
}

}  // namespace

LaneChoice choose_lanes(const LaneQuestion& q) {
  check_batch(q.batch, q.workers, q.workers == 1 ? "worker" : "workers");
  if (q.micro_batch && q.bits == Bits::exact) {
    fail(ExitCode::usage, "micro-batch ", q.micro_batch, ": under exact = on it is the lanes that fix the bits, and ",
         "passes would change them; leave it out, and give more --lanes to have fewer images in each");
  }
  LaneChoice choice;
  LaneOptions& worker = choice.worker;
  worker.global_batch = q.batch;
  worker.threads = q.threads;
  const int64_t share = q.batch / q.workers;
  const bool in_passes = q.micro_batch && q.micro_batch < share;
  if (q.bits == Bits::exact || q.lanes) {
    choice.total_lanes = check_lanes(q);
    check_batch(q.batch, choice.total_lanes, "lanes");
    worker.lanes = choice.total_lanes / q.workers;
    // A lane is computed by one thread: how a pass is shared between threads may change its bits.
    if (q.bits == Bits::exact) worker.threads = std::min(q.threads, worker.lanes);
  } else {
    const int64_t at_once = in_passes ? q.micro_batch : share;
    if (in_passes) check_micro_batch(q, share, 1);
    const bool lane_per_thread = q.mixing == Mixing::none && q.parameters <= few_parameters && at_once % q.threads == 0;
    worker.lanes = lane_per_thread ? q.threads : 1;
    choice.total_lanes = worker.lanes * q.workers;
  }
  worker.lane_batch = share / worker.lanes;
  if (in_passes && q.micro_batch < worker.teams() * worker.lane_batch) {
    check_micro_batch(q, worker.lane_batch, worker.teams());
    worker.passes = static_cast<int>(worker.lane_batch * worker.teams() / q.micro_batch);
    worker.lane_batch /= worker.passes;
  }
  return choice;
}

}  // namespace convoy
