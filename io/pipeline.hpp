// Reads batches ahead on its own threads.
#pragma once

#include <memory>

#include "core/train/seams.hpp"
#include "io/picture_source.hpp"
#include "io/sampler.hpp"

namespace convoy {

struct PipelineOptions {
  int64_t first_step = 0;
  int64_t last_step = 0;  // batches are made for steps [first_step, last_step)
  int64_t global_batch = 1;
  int worker = 0, workers = 1;  // this worker takes the worker-th of `workers` equal parts of each global batch
  int depth = 3;                // buffers: the batch in use and those read ahead
  int threads = 1;
  Device* device = nullptr;  // if set, it copies from the buffers, whose pages it locks; must outlive the pipeline
};

/// How much a pipeline reads ahead and by how many threads.
struct InputPlan {
  int depth = 3, threads = 1;
  size_t bytes = 0;  // that it takes
};

struct InputRequest {
  int64_t share = 1;        // samples of this worker in a step
  int threads = 0;          // asked for; 0: chosen
  int worker_threads = 1;   // that compute meanwhile
  uint64_t most_bytes = 0;  // 0: no limit
};

/// Chosen are one thread, and as many as compute where pictures are decoded or resampled: they sleep while the batches
/// ahead are full, so that they take time from computing only where it would wait for them. Buffers are three, and as
/// many as fit `most_bytes` where that is given, at least one, at most 64. Throws Error(usage) where not even that
/// fits.
InputPlan plan_input(const PictureSource& pictures, const InputRequest& request);

/// Outlived by the dataset. A batch is cut into pieces, which threads take one by one; who takes which makes no
/// difference. An error met while reading ahead is thrown by the next() of its step, and by every later one.
class Pipeline : public BatchSource {
 public:
  /// Throws Error(usage) where the workers cannot share a batch equally.
  Pipeline(const PictureSource& pictures, const Sampler& sampler, const PipelineOptions& options);
  ~Pipeline() override;
  const Batch& next() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
