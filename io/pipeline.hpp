// Reads batches ahead on its own threads.
#pragma once

#include <memory>

#include "core/train/seams.hpp"
#include "io/dataset.hpp"
#include "io/sampler.hpp"

namespace convoy {

struct PipelineOptions {
  int64_t first_step = 0;
  int64_t last_step = 0;  // batches are made for steps [first_step, last_step)
  int64_t global_batch = 1;
  int worker = 0, workers = 1;  // this worker takes the worker-th of `workers` equal parts of each global batch
  int depth = 3;                // buffers: the batch in use and those read ahead
  int threads = 1;
};

/// Outlived by `dataset`. An error met while reading ahead is thrown by the next() of its step, and by every later one.
class Pipeline : public BatchSource {
 public:
  /// Throws Error(usage) where the workers cannot share a batch equally.
  Pipeline(const Dataset& dataset, const Sampler& sampler, const PipelineOptions& options);
  ~Pipeline() override;
  const Batch& next() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
