// Scoring on the CPU: one image after another, so that the sum has one order.
#include "core/ops/score.hpp"
#include "core/ops/score_rows_cpu.hpp"

namespace convoy {
namespace {

class CpuScore final : public Score {
 public:
  CpuScore(const ScoreSpec& spec, const OpOptions& options) : classes_(spec.classes), images_(options.batch) {}

  void forward(const OpContext&, const float* losses, const float* prediction, const int32_t* labels,
               ScoreTotals* totals, Write write) override {
    if (write == Write::overwrite) *totals = {};
    for (int64_t n = 0; n < images_; ++n) {
      if (losses) totals->loss += static_cast<double>(losses[n]);
      totals->correct += cpu::place_of_max(classes_, prediction + n * classes_) == labels[n] ? 1 : 0;
    }
  }

 private:
  int64_t classes_, images_;
};

}  // namespace

std::unique_ptr<Score> make_score_cpu(Device&, const ScoreSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuScore>(spec, options);
}

}  // namespace convoy
