// Reads batches ahead: threads fill a ring of buffers, each batch by one thread; next() hands them out in step order.
// Slot s % depth belongs to step s from the moment next() has handed back step s - depth; all shared state is under one
// mutex, the bytes of a slot belong to its filler until it is ready and to the caller of next() after that.
#include "io/pipeline.hpp"

#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "core/base/error.hpp"

namespace convoy {
namespace {

struct FreePages {
  void operator()(std::byte* pages) const { ::operator delete[](pages, std::align_val_t{4096}); }
};
using Pages = std::unique_ptr<std::byte[], FreePages>;

Pages allocate_pages(size_t bytes) {
  auto* pages = static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{4096}, std::nothrow));
  if (!pages) fail(ExitCode::out_of_memory, "input pipeline: no memory for ", bytes, " bytes; use a smaller batch");
  return Pages(pages);
}

struct Slot {
  Pages images;
  std::vector<int32_t> labels;
  Batch batch;
  int64_t ready_step = -1;  // the step whose batch is here
  std::exception_ptr error;
};

}  // namespace

struct Pipeline::Impl {
  Impl(const Dataset& dataset_in, const Sampler& sampler_in, const PipelineOptions& options_in);
  ~Impl();
  void start();
  void run();
  void fill(int64_t step, Slot& slot) const;
  Slot& slot_of(int64_t step) { return slots[static_cast<size_t>(step) % slots.size()]; }

  const Dataset& dataset;
  const Sampler sampler;
  const PipelineOptions options;
  const int64_t share;  // samples of this worker in each step

  std::vector<Slot> slots;
  std::mutex mutex;
  std::condition_variable room, ready;
  int64_t next_fill;  // the first step that no thread has begun
  int64_t next_take;  // the first step that next() has not returned
  int64_t released;   // steps before this one are handed back
  bool stopping = false;
  std::vector<std::thread> threads;
};

Pipeline::Impl::Impl(const Dataset& dataset_in, const Sampler& sampler_in, const PipelineOptions& options_in)
    : dataset(dataset_in),
      sampler(sampler_in),
      options(options_in),
      share(options_in.workers > 0 ? options_in.global_batch / options_in.workers : 0),
      next_fill(options_in.first_step),
      next_take(options_in.first_step),
      released(options_in.first_step) {
  if (share < 1 || share * options.workers != options.global_batch) {
    fail(ExitCode::usage, "batch: ", options.global_batch, " samples cannot be shared equally by ", options.workers,
         " workers; choose a multiple of ", options.workers);
  }
  if (options.depth < 1 || options.threads < 1 || options.worker < 0 || options.worker >= options.workers ||
      options.first_step < 0) {
    fail(ExitCode::internal, "input pipeline: depth ", options.depth, ", threads ", options.threads, ", worker ",
         options.worker, " of ", options.workers, ", first step ", options.first_step);
  }
  slots.resize(static_cast<size_t>(options.depth));
  for (Slot& slot : slots) {
    slot.images = allocate_pages(static_cast<size_t>(share) * dataset.image_bytes());
    slot.labels.resize(static_cast<size_t>(share));
    slot.batch.images = {.data = slot.images.get(), .shape = dataset.image().batched(share), .dtype = dataset.dtype()};
    slot.batch.labels = slot.labels;
  }
}

Pipeline::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  room.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void Pipeline::Impl::start() {
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back([this] { run(); });
  }
}

void Pipeline::Impl::run() {
  std::unique_lock lock(mutex);
  while (true) {
    room.wait(lock,
              [this] { return stopping || next_fill >= options.last_step || next_fill < released + options.depth; });
    if (stopping || next_fill >= options.last_step) return;
    const int64_t step = next_fill++;
    Slot& slot = slot_of(step);
    lock.unlock();
    std::exception_ptr error;
    try {
      fill(step, slot);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    slot.error = std::move(error);
    slot.ready_step = step;
    ready.notify_one();
  }
}

/// Runs of neighbouring samples, as without shuffling, are read at once.
void Pipeline::Impl::fill(int64_t step, Slot& slot) const {
  slot.batch.position = step * options.global_batch + options.worker * share;
  const auto sample_at = [&](int64_t i) { return sampler.sample(slot.batch.position + i); };
  int64_t sample = sample_at(0);
  for (int64_t i = 0; i < share;) {
    int64_t run = 1, following = 0;
    while (i + run < share && (following = sample_at(i + run)) == sample + run) ++run;
    dataset.read(sample, run, slot.images.get() + static_cast<size_t>(i) * dataset.image_bytes(),
                 slot.labels.data() + i);
    sample = following;
    i += run;
  }
}

Pipeline::Pipeline(const Dataset& dataset, const Sampler& sampler, const PipelineOptions& options)
    : impl_(std::make_unique<Impl>(dataset, sampler, options)) {
  impl_->start();  // apart from construction: should a thread fail to start, ~Impl ends those before it
}

Pipeline::~Pipeline() = default;

const Batch& Pipeline::next() {
  Impl& pipeline = *impl_;
  std::unique_lock lock(pipeline.mutex);
  if (pipeline.next_take >= pipeline.options.last_step) {
    fail(ExitCode::internal, "input pipeline: asked for step ", pipeline.next_take, ", the last is ",
         pipeline.options.last_step - 1);
  }
  if (pipeline.released < pipeline.next_take) {
    pipeline.released = pipeline.next_take;
    pipeline.room.notify_one();
  }
  Slot& slot = pipeline.slot_of(pipeline.next_take);
  pipeline.ready.wait(lock, [&] { return slot.ready_step == pipeline.next_take; });
  if (slot.error) std::rethrow_exception(slot.error);
  ++pipeline.next_take;
  return slot.batch;
}

}  // namespace convoy
