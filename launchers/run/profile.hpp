// The key `profile`: some steps of a run, layer by layer, and the same steps for NVIDIA's profilers.
#pragma once

#include <cstdint>
#include <string>

#include "core/train/seams.hpp"
#include "launchers/run/console.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

/// Steps, counted from 1 as in metrics.jsonl, both ends included.
struct StepWindow {
  int64_t first = 0, last = -1;  // none
  bool empty() const { return last < first; }
  bool contains(int64_t step) const { return first <= step && step <= last; }
  bool operator==(const StepWindow& other) const = default;
};

/// "20-29", or "none". Throws Error(usage).
StepWindow parse_profile(const std::string& text);

/// The same for a run of so many steps, all of which must be in it.
StepWindow profile_window(const std::string& text, int64_t steps);

/// Times the layers in the steps of the window, which a GPU then takes op by op, and writes RUN/profile.json after the
/// last of them that the run takes. Seconds are the first worker's.
class ProfileObserver : public Observer {
 public:
  ProfileObserver(StepWindow window, Net& net, Device& device, Worker& worker, Console& console, std::string run_folder)
      : window_(window),
        net_(net),
        device_(device),
        worker_(worker),
        console_(console),
        folder_(std::move(run_folder)) {}
  void before_step(int64_t step) override;
  void on_step(const StepReport& report) override;

 private:
  std::string json() const;

  const StepWindow window_;
  Net& net_;
  Device& device_;
  Worker& worker_;
  Console& console_;
  const std::string folder_;
  StepWindow taken_;  // of the window
  StepReport sum_;    // of their seconds
};

}  // namespace convoy
