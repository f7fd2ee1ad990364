#include "core/train/local_sink.hpp"

#include "core/device/profiler.hpp"

namespace convoy {

LocalSink::LocalSink(const ParameterArena& arena, const Optimizer& optimizer) : arena_(arena), optimizer_(optimizer) {
  if (optimizer.norm_need() != NormNeed::none) sums_.emplace(arena.table(), optimizer.norm_need());
}

LocalSink::LocalSink(Device& device, const ParameterArena& arena, const Optimizer& optimizer)
    : arena_(arena), optimizer_(optimizer) {
  if (optimizer.norm_need() != NormNeed::none) sums_.emplace(device, arena.table(), optimizer.norm_need());
}

void LocalSink::begin(int64_t step, float rate) {
  step_ = {.step = step, .rate = rate};
  done_ = 0;
  update_seconds_ = 0;
  if (sums_) {
    sums_->clear();
  } else {
    optimizer_.prepare(step_);
  }
}

void LocalSink::ready(size_t end) {
  const ProfilerRange range("update");
  const Timer timer;
  if (sums_) {
    end = end / SegmentTable::alignment * SegmentTable::alignment;
    sums_->add(arena_, done_, end);
  } else {
    optimizer_.update(arena_, done_, end, step_);
  }
  done_ = end;
  update_seconds_ += timer.seconds();
}

bool LocalSink::queue_update(size_t begin, size_t end) {
  if (sums_) return false;
  const ProfilerRange range("update");
  optimizer_.update(arena_, begin, end, step_);
  return true;
}

void LocalSink::finish(std::span<double>) {
  if (!sums_) return;
  const ProfilerRange range("update");
  const Timer timer;
  const size_t size = arena_.table().size();
  sums_->add(arena_, done_, size);
  sums_->words();
  step_.norms = sums_->norms();
  optimizer_.update(arena_, 0, size, step_);
  update_seconds_ += timer.seconds();
}

}  // namespace convoy
