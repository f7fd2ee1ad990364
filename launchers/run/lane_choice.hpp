// How the global batch is divided over workers, lanes and threads.
#pragma once

#include <cstdint>

#include "core/train/lanes.hpp"

namespace convoy {

/// exact: the bits may not depend on the number of workers or threads.
enum class Bits { repeatable, exact };

/// within_lane: the images of a lane act on each other (batch norm), so that a lane is better not made small for speed.
enum class Mixing { none, within_lane };

struct LaneQuestion {
  int64_t batch = 1;  // global
  int workers = 1;
  int threads = 1;          // of one worker
  int lanes = 0;            // of all workers, as asked for; 0: choose
  int64_t micro_batch = 0;  // most images that a worker has in its passes at once; 0: its whole share
  int64_t parameters = 0;   // of the network
  Mixing mixing = Mixing::none;
  Bits bits = Bits::repeatable;
};

struct LaneChoice {
  LaneOptions worker;   // of each worker
  int total_lanes = 1;  // of all
};

/// Throws Error(usage), telling the numbers that do not divide and the nearest that do.
LaneChoice choose_lanes(const LaneQuestion& question);

}  // namespace convoy
