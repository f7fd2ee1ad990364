// Reads batches ahead: threads fill a ring of buffers, piece by piece; next() hands them out in step order.
// Slot s % depth belongs to step s from the moment next() has handed back step s - depth; all shared state is under one
// mutex, the bytes of a piece belong to its filler until its slot is ready and to the caller of next() after that.
#include "io/pipeline.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

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
  std::optional<LockedPages> locked;
  std::vector<int32_t> labels;
  Batch batch;
  int64_t ready_step = -1;   // the step whose batch is here
  int64_t pieces_left = 0;   // that are not filled yet
  int64_t failed_piece = 0;  // the first that could not be filled, and why
  std::exception_ptr error;
};

// A piece of a batch is worth a thread's trip to the mutex, and small enough that threads end at about the same time.
constexpr size_t piece_bytes = 256 << 10;

int64_t samples_of_piece(const PictureSource& pictures, const PipelineOptions& options, int64_t share) {
  if (options.threads == 1) return share;
  const int64_t even = (share + 4 * options.threads - 1) / (4 * options.threads);
  const size_t bytes = pictures.costly() ? 1 : piece_bytes;
  const auto worth = static_cast<int64_t>(bytes / std::max<size_t>(pictures.image_bytes(), 1) + 1);
  return std::min(share, std::max(even, worth));
}

}  // namespace

struct Pipeline::Impl {
  using Buffers = PictureSource::Buffers;
  /// Samples [begin, end) of this worker's share of a step.
  struct Piece {
    int64_t step = 0, number = 0, begin = 0, end = 0;
  };

  Impl(const PictureSource& pictures_in, const Sampler& sampler_in, const PipelineOptions& options_in);
  ~Impl();
  void start();
  void run();
  Piece take_piece();
  void fill(const Piece& piece, Slot& slot, Buffers& buffers) const;
  void ask_ahead(const Piece& piece) const;
  int64_t position_of(int64_t step) const { return step * options.global_batch + options.worker * share; }
  Slot& slot_of(int64_t step) { return slots[static_cast<size_t>(step) % slots.size()]; }

  const PictureSource pictures;
  const Sampler sampler;
  const PipelineOptions options;
  const int64_t share;     // samples of this worker in each step
  int64_t piece_size = 1;  // samples of one piece, and how many of them
  int64_t pieces = 1;

  std::vector<Slot> slots;
  std::mutex mutex;
  std::condition_variable room, ready;
  int64_t next_fill;       // the first step of which no thread has taken all pieces
  int64_t next_piece = 0;  // the first of its pieces that nobody has taken
  int64_t next_take;       // the first step that next() has not returned
  int64_t released;        // steps before this one are handed back
  bool stopping = false;
  std::vector<std::thread> threads;
};

Pipeline::Impl::Impl(const PictureSource& pictures_in, const Sampler& sampler_in, const PipelineOptions& options_in)
    : pictures(pictures_in),
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
  piece_size = samples_of_piece(pictures, options, share);
  pieces = (share + piece_size - 1) / piece_size;
  slots.resize(static_cast<size_t>(options.depth));
  for (Slot& slot : slots) {
    const size_t image_bytes = static_cast<size_t>(share) * pictures.image_bytes();
    slot.images = allocate_pages(image_bytes);
    if (options.device) slot.locked.emplace(*options.device, slot.images.get(), image_bytes);
    slot.labels.resize(static_cast<size_t>(share));
    slot.batch.images = {
        .data = slot.images.get(), .shape = pictures.image().batched(share), .dtype = pictures.dtype()};
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

/// With the mutex held, and room for it.
Pipeline::Impl::Piece Pipeline::Impl::take_piece() {
  const Piece piece{.step = next_fill,
                    .number = next_piece,
                    .begin = next_piece * piece_size,
                    .end = std::min(share, (next_piece + 1) * piece_size)};
  if (next_piece == 0) {
    Slot& slot = slot_of(piece.step);
    slot.pieces_left = pieces;
    slot.error = nullptr;
    slot.batch.position = position_of(piece.step);
  }
  if (++next_piece == pieces) {
    next_piece = 0;
    ++next_fill;
  }
  return piece;
}

void Pipeline::Impl::run() {
  Buffers buffers;
  std::unique_lock lock(mutex);
  while (true) {
    room.wait(lock,
              [this] { return stopping || next_fill >= options.last_step || next_fill < released + options.depth; });
    if (stopping || next_fill >= options.last_step) return;
    const Piece piece = take_piece();
    Slot& slot = slot_of(piece.step);
    lock.unlock();
    std::exception_ptr error;
    try {
      fill(piece, slot, buffers);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    // Whichever thread was first: of several damaged samples always the same one is told.
    if (error && (!slot.error || piece.number < slot.failed_piece)) {
      slot.error = std::move(error);
      slot.failed_piece = piece.number;
    }
    if (--slot.pieces_left > 0) continue;
    slot.ready_step = piece.step;
    ready.notify_one();
  }
}

/// Tells the kernel what a later step will read: the samples of the step that follows those in the ring; with
/// Shuffle::blocks whole blocks, one window before their samples are due, each by one of the workers.
void Pipeline::Impl::ask_ahead(const Piece& piece) const {
  const Dataset& dataset = pictures.dataset();
  if (sampler.shuffle() == Shuffle::on) {
    const int64_t step = piece.step + options.depth;
    for (int64_t i = piece.begin; i < piece.end && step < options.last_step; ++i) {
      dataset.will_need(sampler.sample(position_of(step) + i), 1);
    }
  }
  if (sampler.shuffle() != Shuffle::blocks || piece.number > 0) return;
  const int64_t now = piece.step * options.global_batch, window = sampler.window_samples();
  const int64_t from = piece.step == options.first_step ? now : now + window;  // at first, what is due already
  for (int64_t position = from; position < now + window + options.global_batch;) {
    const Sampler::Block block = sampler.block_at(position);
    if (block.number % options.workers == options.worker) dataset.will_need(block.begin, block.count);
    position += std::max<int64_t>(block.count, 1);
  }
}

/// Runs of neighbouring samples, as without shuffling, are read at once where they are stored as they are wanted.
void Pipeline::Impl::fill(const Piece& piece, Slot& slot, Buffers& buffers) const {
  ask_ahead(piece);
  const int64_t first = position_of(piece.step);
  const auto sample_at = [&](int64_t i) { return sampler.sample(first + i); };
  const auto image_at = [&](int64_t i) { return slot.images.get() + static_cast<size_t>(i) * pictures.image_bytes(); };
  if (!pictures.as_stored()) {
    for (int64_t i = piece.begin; i < piece.end; ++i) {
      slot.labels[static_cast<size_t>(i)] = pictures.read(sample_at(i), first + i, buffers, image_at(i));
    }
    return;
  }
  int64_t sample = sample_at(piece.begin);
  for (int64_t i = piece.begin; i < piece.end;) {
    int64_t run = 1, following = 0;
    while (i + run < piece.end && (following = sample_at(i + run)) == sample + run) ++run;
    pictures.dataset().read(sample, run, image_at(i), slot.labels.data() + i);
    sample = following;
    i += run;
  }
}

InputPlan plan_input(const PictureSource& pictures, const InputRequest& request) {
  constexpr uint64_t usual_depth = 3, most_depth = 64;
  InputPlan plan;
  plan.threads = request.threads > 0 ? request.threads : pictures.costly() ? request.worker_threads : 1;
  const size_t batch = static_cast<size_t>(request.share) * (pictures.image_bytes() + sizeof(int32_t));
  const size_t buffers = static_cast<size_t>(plan.threads) * pictures.buffer_bytes();
  uint64_t depth = usual_depth;
  if (request.most_bytes > 0) {
    if (request.most_bytes < buffers + batch) {
      fail(ExitCode::usage, "input-memory: ", human_bytes(request.most_bytes), " do not hold one batch of ",
           human_bytes(batch), " and ", human_bytes(buffers), " of buffers for ", plan.threads,
           plan.threads == 1 ? " thread" : " threads", "; give more, or take a smaller batch or fewer input-threads");
    }
    depth = std::min<uint64_t>((request.most_bytes - buffers) / batch, most_depth);
  }
  plan.depth = static_cast<int>(depth);
  plan.bytes = static_cast<size_t>(depth) * batch + buffers;
  return plan;
}

Pipeline::Pipeline(const PictureSource& pictures, const Sampler& sampler, const PipelineOptions& options)
    : impl_(std::make_unique<Impl>(pictures, sampler, options)) {
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
    pipeline.room.notify_all();
  }
  Slot& slot = pipeline.slot_of(pipeline.next_take);
  pipeline.ready.wait(lock, [&] { return slot.ready_step == pipeline.next_take; });
  if (slot.error) std::rethrow_exception(slot.error);
  ++pipeline.next_take;
  return slot.batch;
}

}  // namespace convoy
