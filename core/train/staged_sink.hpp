// The sink of a worker whose gradients lie on a device while its exchange, and the update, are the host's: ranges are
// copied as they become final, beside the rest of backward, and handed on; new weights go back at the end.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "core/device/device.hpp"
#include "core/memory/arena.hpp"
#include "core/train/seams.hpp"

namespace convoy {

class StagedSink : public GradientSink {
 public:
  /// `inner` works on `host`; both arenas are of one table. All must outlive it.
  StagedSink(Device& device, const ParameterArena& on_device, const ParameterArena& host,
             std::unique_ptr<GradientSink> inner);
  ~StagedSink() override;

  void begin(int64_t step, float rate) override;
  void ready(size_t end) override;
  void finish(std::span<double> totals) override;
  double exchange_seconds() const override { return inner_->exchange_seconds(); }
  double update_seconds() const override { return inner_->update_seconds(); }
  void gather_state() override { inner_->gather_state(); }

 private:
  void hand_on();

  Device& device_;
  ParameterArena on_device_, host_;
  std::unique_ptr<GradientSink> inner_;
  std::unique_ptr<Copier> copier_;
  size_t done_ = 0;     // of this step's gradients, [0, done_) is being copied
  size_t started_ = 0;  // copies in the sink's life

  std::mutex mutex_;
  std::condition_variable changed_;
  struct Range {
    size_t copy = 0, end = 0;  // the copy's number from 1, and what the gradients reach with it
  };
  std::deque<Range> ranges_;  // not handed on yet
  bool handing_on_ = false, closing_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace convoy
