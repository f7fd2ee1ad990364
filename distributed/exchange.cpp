// The progress thread and its hand-over: the loop publishes a watermark, the thread works through the buckets below it.
//
// Communicator and arena belong to the thread from begin() until it has reported the last bucket, and to the caller
// otherwise; both change hands under the mutex. After an error the exchange stays broken: every later call rethrows it.
#include "distributed/exchange.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"

namespace convoy {

std::vector<size_t> bucket_borders(const SegmentTable& table, size_t bucket_bytes) {
  // Whole alignment units, so that a bucket cut inside a segment starts on a 256-byte border as well.
  constexpr size_t unit = SegmentTable::alignment;
  const size_t units = (bucket_bytes / sizeof(float) + unit - 1) / unit;
  const size_t least = std::max<size_t>(units, 1) * unit;

  std::vector<size_t> borders{0};
  const auto& segments = table.segments();
  for (size_t i = 0; i < segments.size(); ++i) {
    const size_t end = i + 1 < segments.size() ? segments[i + 1].offset : table.size();
    while (end - borders.back() >= 2 * least) borders.push_back(borders.back() + least);
    if (end - borders.back() >= least) borders.push_back(end);
  }
  if (borders.back() < table.size()) borders.push_back(table.size());
  return borders;
}

struct Exchange::Impl {
  Impl(Communicator& communicator_in, const ParameterArena& arena_in, const Optimizer& optimizer_in,
       const ExchangeOptions& options, Progress* progress_in)
      : communicator(communicator_in),
        arena(arena_in),
        optimizer(optimizer_in),
        progress(progress_in),
        borders(bucket_borders(arena.table(), options.bucket_bytes)),
        done(buckets()) {
    if (optimizer.norm_need() != NormNeed::none) sums.emplace(arena.table(), optimizer.norm_need());
    for (size_t b = 0; b < buckets(); ++b) {
      // Norms are summed over whole blocks, which a slice must not cut.
      slices.push_back(sums ? Slices::even(borders[b], borders[b + 1], communicator.size(), SegmentTable::alignment)
                            : Slices::even(borders[b], borders[b + 1], communicator.size()));
    }
    thread = std::thread([this] { work(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    thread.join();
  }

  size_t buckets() const { return borders.size() - 1; }

  // The progress thread.
  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return stop || (done < buckets() && !error && watermark >= borders[done + 1]); });
      if (stop) return;
      lock.unlock();
      std::exception_ptr failed;
      try {
        exchange_bucket(done);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      error = failed;
      ++done;
      if (error || done == buckets()) changed.notify_all();
    }
  }

  void exchange_bucket(size_t bucket) {
    note_bucket(bucket);
    reduce(bucket);
    if (!sums) {
      update_and_gather(bucket);
    } else if (bucket + 1 == buckets()) {
      sum_norms();
      for (size_t b = 0; b < buckets(); ++b) {
        note_bucket(b);
        update_and_gather(b);
      }
    }
    if (progress != nullptr) progress->bucket = -1;
  }

  void note_bucket(size_t bucket) const {
    if (progress != nullptr) progress->bucket = static_cast<int>(bucket);
  }

  void reduce(size_t bucket) {
    Timer timer;
    communicator.reduce_scatter(arena.gradients(), slices[bucket]);
    exchange_seconds += timer.lap();
    if (!sums) return;
    const auto [first, last] = my_slice(bucket);
    sums->add(arena, first, last);
    update_seconds += timer.lap();
  }

  // What the updates of this step have to wait for: every worker's part of the norms.
  void sum_norms() {
    Timer timer;
    communicator.all_reduce(sums->words(), ReduceOp::sum);
    step.norms = sums->norms();
    exchange_seconds += timer.lap();
  }

  void update_and_gather(size_t bucket) {
    Timer timer;
    const auto [first, last] = my_slice(bucket);
    optimizer.update(arena, first, last, step);
    update_seconds += timer.lap();
    communicator.all_gather(arena.weights(), slices[bucket]);
    exchange_seconds += timer.lap();
  }

  std::pair<size_t, size_t> my_slice(size_t bucket) const {
    const auto rank = static_cast<size_t>(communicator.rank());
    return {slices[bucket].borders[rank], slices[bucket].borders[rank + 1]};
  }

  // Returns when the thread is idle and the communicator the caller's.
  void wait_for_thread() {
    std::unique_lock lock(mutex);
    if (!error && done < buckets() && watermark < arena.table().size()) {
      fail(ExitCode::internal, "step ", step.step, " ended with gradients ready up to ", watermark, " of ",
           arena.table().size(), ": please report this defect in Convoy");
    }
    changed.wait(lock, [this] { return error || done == buckets(); });
    if (error) std::rethrow_exception(error);
  }

  Communicator& communicator;
  ParameterArena arena;
  const Optimizer& optimizer;
  Progress* progress;
  std::vector<size_t> borders;
  std::vector<Slices> slices;    // of each bucket
  std::optional<NormSums> sums;  // of this worker's slices, if the optimizer needs norms

  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  size_t watermark = 0;
  size_t done;  // buckets of this step
  std::exception_ptr error;
  UpdateStep step;
  double exchange_seconds = 0, update_seconds = 0;
  std::thread thread;  // last: it uses all of the above
};

Exchange::Exchange(Communicator& communicator, const ParameterArena& arena, const Optimizer& optimizer,
                   const ExchangeOptions& options, Progress* progress)
    : impl_(std::make_unique<Impl>(communicator, arena, optimizer, options, progress)) {}

Exchange::~Exchange() = default;

void Exchange::begin(int64_t step, float rate) {
  Impl& impl = *impl_;
  impl.wait_for_thread();
  const std::lock_guard lock(impl.mutex);
  impl.step = {.step = step, .rate = rate};
  if (impl.sums) impl.sums->clear();
  impl.watermark = 0;
  impl.done = 0;
  impl.exchange_seconds = 0;
  impl.update_seconds = 0;
  if (impl.progress != nullptr) impl.progress->step = step;
}

void Exchange::ready(size_t end) {
  Impl& impl = *impl_;
  {
    const std::lock_guard lock(impl.mutex);
    impl.watermark = end;
    if (impl.done >= impl.buckets() || end < impl.borders[impl.done + 1]) return;
  }
  impl.changed.notify_all();
}

void Exchange::finish(std::span<double> totals) {
  impl_->wait_for_thread();
  Timer timer;
  impl_->communicator.all_reduce(totals, ReduceOp::sum);
  impl_->exchange_seconds += timer.seconds();
}

double Exchange::exchange_seconds() const {
  return impl_->exchange_seconds;
}
double Exchange::update_seconds() const {
  return impl_->update_seconds;
}

void Exchange::gather_state() {
  impl_->wait_for_thread();
  for (int slot = 0; slot < impl_->arena.slots(); ++slot) {
    for (const Slices& cut : impl_->slices) impl_->communicator.all_gather(impl_->arena.slot(slot), cut);
  }
}

}  // namespace convoy
