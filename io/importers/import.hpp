// Bringing datasets in.
#pragma once

#include <string>
#include <vector>

#include "core/tensor/shape.hpp"

namespace convoy {

struct ImportOptions {
  std::string out;                   // folder to make; must not hold shards yet
  int shards = 0;                    // 0: one per 256 MiB, at least 1
  std::vector<std::string> classes;  // names; empty: unknown
};

struct ImportSummary {
  std::string out;
  int64_t samples = 0;
  int shards = 0;
  Shape image;
  int64_t classes = 0;
  std::vector<double> mean, deviation;  // per channel, in pixel units
  uint64_t bytes = 0;
};

/// `images` (N,H,W) or (N,H,W,C) and `labels` (N) as IDX files. Everything is checked before anything is written;
/// shards appear only when all are whole. Throws Error(data), Error(storage), or
/// Error(usage) for a number of shards that does not fit.
ImportSummary import_idx(const std::string& images, const std::string& labels, const ImportOptions& options);

}  // namespace convoy
