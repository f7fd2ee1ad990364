#include "core/train/evaluate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "core/base/error.hpp"
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

/// What is averaged over the variants of a sample.
enum class AverageOf { scores, probabilities };

AverageOf averaged(const Graph& graph) {
  if (graph.loss() < 0) return AverageOf::scores;
  const auto& lines = graph.text.lines;
  const bool softmax = std::ranges::any_of(lines, [](const LayerLine& line) {
    return line.kind == "loss" && std::ranges::any_of(line.attributes, [](const Attribute& attribute) {
             return attribute.key.empty() && attribute.value == "softmax";
           });
  });
  return softmax ? AverageOf::probabilities : AverageOf::scores;
}

/// The pixels and labels of the chunk a team is working on; padding repeats nothing, it is zero.
struct Chunk {
  std::vector<std::byte> images;
  std::vector<int32_t> labels;
  int64_t count = 0;
};

/// The mean prediction of one sample's variants, in `mean`, and its loss. softmax: of the probabilities, in the order
/// of the variants; their mean keeps the order of scores, so that ranks can be taken from it.
double average(const float* scores, int64_t classes, const float* losses, int64_t variants, int32_t label,
               AverageOf what, std::vector<float>& mean) {
  std::vector<double> sum(static_cast<size_t>(classes));
  double loss = 0;
  for (int64_t v = 0; v < variants; ++v, scores += classes) {
    const float highest = *std::max_element(scores, scores + classes);
    double total = 0;
    std::vector<double> terms(scores, scores + classes);
    if (what == AverageOf::probabilities) {
      for (double& term : terms) total += term = std::exp(term - static_cast<double>(highest));
    }
    for (size_t c = 0; c < sum.size(); ++c) sum[c] += what == AverageOf::probabilities ? terms[c] / total : terms[c];
    loss += static_cast<double>(losses[v]);
  }
  const auto count = static_cast<double>(variants);
  for (size_t c = 0; c < sum.size(); ++c) mean[c] = static_cast<float>(sum[c] / count);
  if (what == AverageOf::scores) return loss / count;
  return -std::log(sum[static_cast<size_t>(label)] / count);
}

/// Sums of one evaluation, the same whatever the order and the number of workers.
struct EvaluationSums {
  int64_t samples = 0, top1 = 0, top5 = 0;
  ExactSum loss;
};

}  // namespace

EvaluationReport evaluate(Lanes& lanes, const Net& net, const SampleReader& reader, int worker, int workers,
                          const std::function<void(std::span<int64_t>)>& sum) {
  const int64_t variants = reader.variants();
  const int64_t lane_batch = lanes.options().lane_batch;
  const int64_t batch = lane_batch / variants;  // samples of a chunk
  if (batch * variants != lane_batch) {
    fail(ExitCode::internal, "evaluation of ", variants, " pictures a sample in passes of ", lane_batch);
  }
  const AverageOf what = averaged(net.graph());
  const int64_t chunks = (reader.size() + batch - 1) / batch;
  const int64_t mine = chunks > worker ? (chunks - worker - 1) / workers + 1 : 0;
  const PixelsSpec& pixels = net.options().pixels;
  const size_t image_bytes = static_cast<size_t>(pixels.input.count()) * size_of(pixels.dtype);

  std::vector<Chunk> team_chunks(static_cast<size_t>(lanes.options().teams()));
  for (Chunk& chunk : team_chunks) {
    chunk.images.resize(static_cast<size_t>(lane_batch) * image_bytes);
    chunk.labels.resize(static_cast<size_t>(lane_batch));
  }
  const auto load = [&](int64_t index, int team) {
    Chunk& chunk = team_chunks[team];
    const int64_t begin = (worker + index * workers) * batch;
    chunk.count = std::min(batch, reader.size() - begin);
    reader.read(begin, chunk.count, chunk.images.data(), chunk.labels.data());
    std::fill(chunk.labels.begin() + chunk.count, chunk.labels.end(), 0);
    // Backwards, since a sample's label is read before its variants' places are written.
    for (int64_t n = variants > 1 ? lane_batch - 1 : 0; n > 0; --n) {
      chunk.labels[static_cast<size_t>(n)] = chunk.labels[static_cast<size_t>(n / variants)];
    }
    return NetBatch{.pixels = chunk.images.data(), .labels = chunk.labels.data()};
  };

  std::mutex mutex;
  EvaluationSums sums;
  const auto visit = [&](int team, ConstView prediction, const float* losses) {
    const Chunk& chunk = team_chunks[team];
    const int64_t classes = prediction.shape.count() / lane_batch;
    int64_t top1 = 0, top5 = 0;
    std::vector<float> mean(static_cast<size_t>(variants > 1 ? classes : 0));
    std::vector<double> sample_losses(static_cast<size_t>(chunk.count));
    for (int64_t n = 0; n < chunk.count; ++n) {
      const float* scores = prediction.f32() + n * variants * classes;
      const int32_t label = chunk.labels[static_cast<size_t>(n * variants)];
      double& loss = sample_losses[static_cast<size_t>(n)];
      loss = static_cast<double>(losses[n * variants]);
      if (variants > 1) {
        loss = average(scores, classes, losses + n * variants, variants, label, what, mean);
        scores = mean.data();
      }
      const int64_t rank = rank_of(scores, classes, label);
      top1 += rank < 1 ? 1 : 0;
      top5 += rank < 5 ? 1 : 0;
    }
    const std::lock_guard lock(mutex);
    sums.samples += chunk.count, sums.top1 += top1, sums.top5 += top5;
    // Rounding may leave a loss of 0 a little below it.
    for (const double loss : sample_losses) sums.loss.add(loss < 0 ? 0 : loss);
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
