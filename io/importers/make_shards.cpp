// Making shards: threads fetch and prepare samples ahead of one that writes them, in order, shard after shard.
#include <algorithm>
#include <optional>

#include "core/base/error.hpp"
#include "io/importers/import.hpp"
#include "io/importers/ordered_pool.hpp"
#include "io/importers/prepare.hpp"

namespace convoy {
namespace {

struct Made {
  Prepared prepared;
  int32_t label = 0;
  std::optional<Error> error;
};

/// Samples that a thread makes at a time.
struct Batch {
  std::vector<Made> samples;
};

/// Buffers that one huge picture has blown up are given back.
void trim(Image& image) {
  constexpr size_t usual = 16 << 20;
  if (image.pixels.capacity() > usual) image.pixels = {};
}

Error unforeseen(const std::string& name, const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) {
    return {ExitCode::out_of_memory, name + ": needs more memory than there is; use fewer --threads"};
  }
  return {ExitCode::internal, concat(name, ": ", error.what())};
}

/// The samples of the parts, one part after another, as they come out of the pool.
class SampleStream {
 public:
  SampleStream(const SampleSource& source, std::vector<int64_t> samples, const PrepareOptions& options, int threads)
      : source_(source),
        samples_(std::move(samples)),
        options_(options),
        batch_(samples_at_a_time(options, source.encoded() ? 0 : source.image().count())),
        scratch_(static_cast<size_t>(threads)),
        pool_((static_cast<int64_t>(samples_.size()) + batch_ - 1) / batch_, static_cast<size_t>(threads),
              static_cast<size_t>(2 * threads + 2),
              [this](int64_t index, size_t thread, Batch& batch) { make(index, scratch_[thread], batch); }) {}

  Made& next() {
    const int64_t within = at_++ % batch_;
    if (within == 0) current_ = &pool_.next();
    return current_->samples[static_cast<size_t>(within)];
  }

 private:
  void make(int64_t index, PrepareScratch& scratch, Batch& batch) {
    const auto begin = static_cast<size_t>(index * batch_);
    batch.samples.resize(std::min(static_cast<size_t>(batch_), samples_.size() - begin));
    for (size_t i = 0; i < batch.samples.size(); ++i) make_one(samples_[begin + i], scratch, batch.samples[i]);
  }

  void make_one(int64_t sample, PrepareScratch& scratch, Made& made) {
    made.error.reset();
    trim(made.prepared.pixels);
    try {
      made.label = source_.label(sample);
      source_.fetch(sample, scratch.sample);
      prepare(scratch, source_.name(sample), options_, made.prepared);
    } catch (const Error& error) {
      made.error = error;
    } catch (const std::exception& error) {
      made.error = unforeseen(source_.name(sample), error);
    }
    trim(scratch.decoded);
    trim(scratch.resized);
  }

  const SampleSource& source_;
  const std::vector<int64_t> samples_;
  const PrepareOptions options_;
  const int64_t batch_;
  std::vector<PrepareScratch> scratch_;
  int64_t at_ = 0;
  Batch* current_ = nullptr;
  OrderedPool<Batch> pool_;  // last: its threads use all of the above
};

}  // namespace

void ImportJob::make_shards(ImportProgress& progress) const {
  const std::vector<Part> parts = parts_to_make();
  const Permutation permutation(source_.size(), options_.seed, import_order);
  std::vector<int64_t> samples;
  samples.reserve(static_cast<size_t>(planned()));
  for (const Part& part : parts) {
    for (int64_t p = part.begin; p < part.end; ++p) samples.push_back(shuffled_ ? permutation(p) : p);
  }
  if (samples.empty()) return;
  size_t at = 0;
  const PrepareOptions preparing{.from = source_.encoded() ? Encoding::jpeg : Encoding::raw,
                                 .to = header_.encoding,
                                 .height = header_.encoding == Encoding::raw ? header_.image[0] : options_.height,
                                 .width = header_.encoding == Encoding::raw ? header_.image[1] : options_.width,
                                 .resize = options_.height > 0,
                                 .channels = header_.image[2],
                                 .quality = options_.quality};
  SampleStream stream(source_, samples, preparing, std::max(options_.threads, 1));

  for (const Part& part : parts) {
    ShardHeader header = header_;
    header.shard = part.shard;
    header.count = part.end - part.begin;
    ShardWriter writer(path_of(part.shard), header);
    std::vector<Skipped> skipped;
    for (int64_t p = part.begin; p < part.end; ++p, ++at) {
      if (progress.stop)
        fail(ExitCode::preempted, options_.out, ": stopped; the same command goes on with this import");
      const Made& made = stream.next();
      if (made.error) {
        skip(*made.error, samples[at], skipped);
        ++progress.skipped;
      } else if (header.encoding == Encoding::raw) {
        writer.append(made.prepared.pixels.pixels.data(), &made.label, 1);
      } else {
        writer.append_encoded(made.prepared.encoded, made.label, made.prepared.pixels);
      }
      ++progress.done;
    }
    save_skipped_of_shard(options_.out, part.shard, skipped);
    writer.commit();
  }
}

/// Only what is wrong with a sample itself is skipped; a full disk or a size that does not fit is not.
void ImportJob::skip(const Error& error, int64_t sample, std::vector<Skipped>& skipped) const {
  if (error.code() != ExitCode::data) throw Error(error);
  const std::string name = source_.name(sample), reason = reason_of(error.what(), name);
  if (options_.on_error == OnError::stop) {
    // Another source has another id, so that shards which are there already could not be gone on with.
    fail(ExitCode::data, name, ": ", reason,
         "; leave out what is broken by --on-error skip, or correct it and import all from the start, into another "
         "folder");
  }
  skipped.push_back({.name = name, .reason = reason});
}

}  // namespace convoy
