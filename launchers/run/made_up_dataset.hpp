// A dataset of made-up pictures, for measuring without data of one's own.
#pragma once

#include <string>

#include "io/shard/dataset.hpp"

namespace convoy {

struct MadeUpDatasetOptions {
  Shape image{256, 256, 3};
  int64_t images = 0;
  Encoding encoding = Encoding::raw;
};

/// Writes shards into a new folder under $TMPDIR (or /tmp), opens them by each of `reads`, and removes the folder at
/// once: the open files live until the datasets are destroyed, and nothing is left behind however the program ends.
/// Throws Error(storage) where there is no room.
std::vector<std::unique_ptr<Dataset>> open_made_up(const MadeUpDatasetOptions& options,
                                                   const std::vector<ReadOptions>& reads);

}  // namespace convoy
