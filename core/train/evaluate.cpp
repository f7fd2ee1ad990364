#include "core/train/evaluate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "core/base/exact_sum.hpp"

namespace convoy {

namespace {

/// How many scores beat the label's; ties go to the lower class, as in the training accuracy. NaN beats nothing and a
/// NaN label score loses to everything.
int64_t rank_of(const float* scores, int64_t classes, int32_t label) {
  if (label < 0 || label >= classes) return std::numeric_limits<int64_t>::max();  // a number to be met, not a class
  int64_t better = 0;
  for (int64_t c = 0; c < classes; ++c) {
    if (c == label) continue;
    const bool wins = c < label ? scores[c] >= scores[label] : scores[c] > scores[label];
    better += wins || std::isnan(scores[label]) ? 1 : 0;
  }
  return better;
}

/// The pixels and labels of the chunk a team is working on; padding repeats nothing, it is zero.
struct Chunk {
  std::vector<std::byte> images;
  std::vector<int32_t> labels;
  int64_t count = 0;
};

/// Sums of one evaluation, the same whatever the order and the number of workers.
struct EvaluationSums {
  int64_t samples = 0, top1 = 0, top5 = 0;
  ExactSum loss;
};

}  // namespace

EvaluationReport evaluate(Lanes& lanes, const Net& net, const SampleReader& reader, int worker, int workers,
                          const std::function<void(std::span<int64_t>)>& sum) {
  const int64_t batch = lanes.options().lane_batch;
  const int64_t chunks = (reader.size() + batch - 1) / batch;
  const int64_t mine = chunks > worker ? (chunks - worker - 1) / workers + 1 : 0;
  const PixelsSpec& pixels = net.options().pixels;
  const size_t image_bytes = static_cast<size_t>(pixels.input.count()) * size_of(pixels.dtype);

  std::vector<Chunk> team_chunks(static_cast<size_t>(lanes.options().teams()));
  for (Chunk& chunk : team_chunks) {
    chunk.images.resize(static_cast<size_t>(batch) * image_bytes);
    chunk.labels.resize(static_cast<size_t>(batch));
  }
  const auto load = [&](int64_t index, int team) {
    Chunk& chunk = team_chunks[team];
    const int64_t begin = (worker + index * workers) * batch;
    chunk.count = std::min(batch, reader.size() - begin);
    reader.read(begin, chunk.count, chunk.images.data(), chunk.labels.data());
    std::fill(chunk.labels.begin() + chunk.count, chunk.labels.end(), 0);
    return NetBatch{.pixels = chunk.images.data(), .labels = chunk.labels.data()};
  };

  std::mutex mutex;
  EvaluationSums sums;
  const auto visit = [&](int team, ConstView prediction, const float* losses) {
    const Chunk& chunk = team_chunks[team];
    const int64_t classes = prediction.shape.count() / batch;
    int64_t top1 = 0, top5 = 0;
    for (int64_t n = 0; n < chunk.count; ++n) {
      const int64_t rank = rank_of(prediction.f32() + n * classes, classes, chunk.labels[static_cast<size_t>(n)]);
      top1 += rank < 1 ? 1 : 0;
      top5 += rank < 5 ? 1 : 0;
    }
    const std::lock_guard lock(mutex);
    sums.samples += chunk.count, sums.top1 += top1, sums.top5 += top5;
    // Rounding may leave a loss of 0 a little below it.
    for (int64_t n = 0; n < chunk.count; ++n) {
      sums.loss.add(losses[n] < 0 ? 0 : static_cast<double>(losses[n]));
    }
  };
  lanes.evaluate(mine, load, visit);

  std::array<int64_t, 3 + ExactSum::words> all{sums.samples, sums.top1, sums.top5};
  const auto loss_words = std::span(all).last<ExactSum::words>();
  sums.loss.store(loss_words);
  sum(all);
  sums.loss.load(loss_words);
  const auto samples = static_cast<double>(std::max<int64_t>(all[0], 1));
  return {.samples = all[0],
          .loss = sums.loss.value() / samples,
          .top1 = static_cast<double>(all[1]) / samples,
          .top5 = static_cast<double>(all[2]) / samples};
}

}  // namespace convoy
