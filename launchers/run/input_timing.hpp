// How fast images come: each stage between the disk (or page cache) and the network by itself, against what this
// machine's memory can do at all.
#pragma once

#include <string>
#include <vector>

#include "launchers/run/made_up_dataset.hpp"

namespace convoy {

struct InputTimingOptions {
  std::string data;              // a dataset's folder; empty: made_up
  MadeUpDatasetOptions made_up;  // images 0: 512 MiB of them
  int64_t batch = 64;
  int threads = 0;  // 0: all that the process may use
  bool shuffled = true;
  int64_t crop = 0;  // of each image before it becomes floats; 0: none
  bool direct = false;
  double seconds = 2;  // for each stage
  int rounds = 5;      // in each of which every stage has its turn
};

struct StageTiming {
  std::string name;              // "read", "read+check", ...
  std::string about;             // in words
  double images_per_second = 0;  // medians over the rounds
  double bytes_per_second = 0;   // as stored
  double of_limit = 0;           // against `limit`, round by round
};

struct InputTiming {
  int threads = 0;
  int64_t images = 0;
  Shape image;
  Encoding encoding = Encoding::raw;
  uint64_t stored_bytes = 0;
  bool held = false;                // the dataset is small and held in memory
  StageTiming limit;                // copying images from memory to memory; decoding alone, of encoded ones
  std::vector<StageTiming> stages;  // the first is reading alone, the next does more
  std::string notice;
};

/// Stages take turns, so that whatever else the machine does meets all of them.
InputTiming time_input(const InputTimingOptions& options);

}  // namespace convoy
