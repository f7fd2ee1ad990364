// Evaluation of several pictures a sample: predictions averaged, every sample counted once.
#include "core/train/evaluate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "tests/core/train/small_run.hpp"

namespace convoy {
namespace {

constexpr int64_t samples = 23, variants = 4, classes = 3;

/// Picture v of sample n is picture n * variants + v of the data.
class SeveralPictures : public SampleReader {
 public:
  int64_t size() const override { return samples; }
  int64_t variants() const override { return convoy::variants; }
  void read(int64_t begin, int64_t count, void* images, int32_t* labels) const override {
    const Batch batch = data.batch(begin * convoy::variants, count * convoy::variants);
    std::memcpy(images, batch.images.data, batch.images.bytes());
    for (int64_t n = 0; n < count; ++n) labels[n] = label(begin + n);
  }
  int32_t label(int64_t sample) const { return data.labels[static_cast<size_t>(sample * convoy::variants)]; }
  const SmallData data{samples * convoy::variants};
};

/// Scores of every picture, one pass for each.
std::vector<float> scores_of(const SmallData& data, const char* network) {
  SmallRun run({.lane_batch = 1, .global_batch = 1}, {.name = "sgd"}, network);
  std::vector<float> scores;
  for (int64_t i = 0; i < samples * variants; ++i) {
    const Batch one = data.batch(i, 1);
    const auto load = [&](int64_t, int) { return NetBatch{.pixels = one.images.data, .labels = one.labels.data()}; };
    run.lanes->evaluate(1, load, [&](int, ConstView prediction, const float*) {
      scores.insert(scores.end(), prediction.f32(), prediction.f32() + classes);
    });
  }
  return scores;
}

EvaluationReport evaluated(const SeveralPictures& reader, const char* network, int64_t lane_batch, int threads) {
  SmallRun run({.lanes = threads, .threads = threads, .lane_batch = lane_batch, .global_batch = lane_batch * threads},
               {.name = "sgd"}, network);
  return evaluate(*run.lanes, run.net, reader, 0, 1, [](auto) {});
}

TEST(EvaluateVariants, AveragesProbabilities) {
  const SeveralPictures reader;
  const std::vector<float> scores = scores_of(reader.data, small_network);
  double loss = 0, right = 0;
  for (int64_t n = 0; n < samples; ++n) {
    double mean[classes] = {};
    for (int64_t v = 0; v < variants; ++v) {
      const float* s = scores.data() + (n * variants + v) * classes;
      double total = 0;
      for (int c = 0; c < classes; ++c) total += std::exp(static_cast<double>(s[c]));
      for (int c = 0; c < classes; ++c) mean[c] += std::exp(static_cast<double>(s[c])) / total / variants;
    }
    loss -= std::log(mean[reader.label(n)]) / samples;
    right += std::max_element(mean, mean + classes) - mean == reader.label(n) ? 1.0 : 0;
  }
  for (const int64_t lane_batch : {4, 12, 40, 400}) {
    for (const int threads : {1, 2}) {
      const EvaluationReport report = evaluated(reader, small_network, lane_batch, threads);
      EXPECT_EQ(report.samples, samples);
      EXPECT_NEAR(report.loss, loss, 1e-6);  // scores of fp32, whose summation depends on the batch
      EXPECT_NEAR(report.top1, right / samples, 1e-12);
      EXPECT_EQ(report.top5, 1);  // of three classes
    }
  }
}

TEST(EvaluateVariants, AveragesScoresWhereThereAreNoProbabilities) {
  std::string network = small_network;
  network.replace(network.find("loss softmax"), 12, "loss hinge");
  const SeveralPictures reader;
  const std::vector<float> scores = scores_of(reader.data, network.c_str());
  double loss = 0, right = 0;
  for (int64_t n = 0; n < samples; ++n) {
    double mean[classes] = {};
    for (int64_t v = 0; v < variants; ++v) {
      const float* s = scores.data() + (n * variants + v) * classes;
      for (int c = 0; c < classes; ++c) {
        mean[c] += static_cast<double>(s[c]);
        const double margin = static_cast<double>(s[c] - s[reader.label(n)]) + 1;
        if (c != reader.label(n)) loss += std::max(0.0, margin) / (samples * variants);
      }
    }
    right += std::max_element(mean, mean + classes) - mean == reader.label(n) ? 1.0 : 0;
  }
  const EvaluationReport report = evaluated(reader, network.c_str(), 12, 2);
  EXPECT_NEAR(report.loss, loss, 1e-6);
  EXPECT_NEAR(report.top1, right / samples, 1e-12);
}

TEST(EvaluateVariants, WorkersCountEverySampleOnce) {
  const SeveralPictures reader;
  const EvaluationReport alone = evaluated(reader, small_network, 8, 1);
  std::vector<int64_t> sums;
  for (int worker = 0; worker < 3; ++worker) {
    SmallRun run({.lane_batch = 8, .global_batch = 8}, {.name = "sgd"});
    const EvaluationReport report = evaluate(*run.lanes, run.net, reader, worker, 3, [&](std::span<int64_t> mine) {
      sums.resize(mine.size());
      for (size_t i = 0; i < mine.size(); ++i) mine[i] = sums[i] += mine[i];
    });
    if (worker < 2) continue;
    EXPECT_EQ(report.samples, samples);
    EXPECT_EQ(report.loss, alone.loss);
    EXPECT_EQ(report.top1, alone.top1);
  }
}

}  // namespace
}  // namespace convoy
