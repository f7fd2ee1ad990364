// Progress in words.
#include "launchers/run/progress_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

template <typename... Args>
std::string formatted(const char* format, Args... args) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.95) return formatted("%.1f s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return formatted("%lld s", whole);
  if (whole < 3600) return formatted("%lld min %02lld s", whole / 60, whole % 60);
  if (whole < 86400) return formatted("%lld h %02lld min", whole / 3600, whole % 3600 / 60);
  return formatted("%lld d %02lld h", whole / 86400, whole % 86400 / 3600);
}

std::string milliseconds_text(double seconds) {
  const double ms = seconds * 1e3;
  if (!(ms < 9999.5)) return duration_text(seconds);
  return formatted(ms < 0.0995 ? "%.3f ms" : ms < 9.95 ? "%.1f ms" : "%.0f ms", ms);
}

std::string rate_text(double images_per_second) {
  if (!(images_per_second < 1e15)) return "? images/s";
  if (images_per_second < 99.95) return formatted("%.1f images/s", images_per_second);
  return with_commas(std::llround(images_per_second)) + " images/s";
}

std::string percent_text(double fraction) {
  return formatted("%.1f %%", 100 * fraction);
}

std::string loss_text(double loss) {
  return std::abs(loss) < 0.1 || std::abs(loss) >= 1000 ? formatted("%.4g", loss) : formatted("%.4f", loss);
}

std::string progress_text(const ProgressFigures& f) {
  return concat("epoch ", formatted("%.4g", std::floor(f.epoch * 100) / 100), "/", formatted("%.4g", f.epochs),
                "  step ", f.step, "/", f.steps, "  loss ", loss_text(f.loss), "  accuracy ", percent_text(f.accuracy),
                "  ", rate_text(f.images_per_second), "  ", duration_text(f.seconds_left), " left");
}

void ProgressMeter::add(const StepReport& report) {
  constexpr double slowest_change = 0.02;
  last_ = report;
  ++added_;
  const double weight = std::max(1.0 / static_cast<double>(added_), slowest_change);
  loss_ += weight * (report.loss - loss_);
  accuracy_ += weight * (report.accuracy - accuracy_);
  seconds_ += weight * (report.seconds - seconds_);
}

ProgressFigures ProgressMeter::figures(double wall_seconds) const {
  const double per_step = added_ ? wall_seconds / static_cast<double>(added_) : 0;
  const double epochs_per_step = last_.step ? last_.epoch / static_cast<double>(last_.step) : 0;
  return {.step = last_.step,
          .steps = steps_,
          .epoch = last_.epoch,
          .epochs = epochs_per_step * static_cast<double>(steps_),
          .loss = loss_,
          .accuracy = accuracy_,
          .images_per_second = seconds_ > 0 ? static_cast<double>(batch_) / seconds_ : 0,
          .seconds_left = per_step * static_cast<double>(steps_ - last_.step)};
}

}  // namespace convoy
