// Scoring on a GPU: all images are judged side by side, then one block adds up.
#include <vector>

#include "core/ops/score.hpp"
#include "core/ops/score_rows_cuda.hpp"

namespace convoy {
namespace {

struct Judge {
  int classes;
  const float* prediction;
  const int32_t* labels;
  uint8_t* correct;

  template <unsigned threads>
  __device__ void operator()(const cuda::RowThread<threads>& thread, int64_t n) const {
    const float* row = prediction + n * classes;
    const cuda::Top top = thread.top(classes, row);
    const int place = row[0] == row[0] ? top.place : 0;  // NaN that comes first is passed by none
    if (thread.first()) correct[n] = place == labels[n] ? 1 : 0;
  }
};

__global__ void total_kernel(int64_t images, const float* losses, const uint8_t* correct, ScoreTotals* totals,
                             bool adds) {
  const cuda::RowThread<cuda::block_threads> thread;
  ScoreTotals sum;
  for (int64_t n = threadIdx.x; n < images; n += cuda::block_threads) {
    if (losses) sum.loss += static_cast<double>(losses[n]);
    sum.correct += correct[n];
  }
  sum.loss = thread.sum(sum.loss);
  sum.correct = thread.sum(sum.correct);
  if (!thread.first()) return;
  totals->loss = adds ? totals->loss + sum.loss : sum.loss;
  totals->correct = adds ? totals->correct + sum.correct : sum.correct;
}

class CudaScore final : public Score {
 public:
  CudaScore(Device& device, const ScoreSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)), classes_(static_cast<int>(spec.classes)), images_(options.batch) {
    for (int team = 0; team < options.teams; ++team) {
      correct_.emplace_back(device, static_cast<size_t>(images_), "judged images");
    }
  }

  void forward(const OpContext& context, const float* losses, const float* prediction, const int32_t* labels,
               ScoreTotals* totals, Write write) override {
    auto* correct = reinterpret_cast<uint8_t*>(correct_[static_cast<size_t>(context.team)].data());
    cuda::for_score_rows(stream_, images_, classes_, Judge{classes_, prediction, labels, correct});
    cuda::launch(stream_, 1, cuda::block_threads, total_kernel, images_, losses, correct, totals,
                 write == Write::accumulate);
  }

 private:
  cudaStream_t stream_;
  int classes_;
  int64_t images_;
  std::vector<DeviceBuffer> correct_;  // one per team
};

}  // namespace

std::unique_ptr<Score> make_score_cuda(Device& device, const ScoreSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaScore>(device, spec, options);
}

}  // namespace convoy
