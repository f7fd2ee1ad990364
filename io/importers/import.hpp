// Importing: from a source of samples to the shards of a dataset, by one worker or several.
//
// The order of samples and the cut into shards are known before the first is read, so each shard is made by itself:
// shard s by worker s % workers, whole or not there at all. The same import again keeps shards that are there. The
// steps below are taken in this order; those that say so by the first worker only, while the others wait.
//
//   ImportFolder                 first worker   the folder, locked
//   unpack_archives              first worker   compressed archives, unpacked beside the shards
//   open_source, ImportJob       all            the plan; dataset_id() must be the same everywhere
//   ImportJob::check_folder      first worker   what is there already
//   ImportJob::make_shards       all
//   ImportJob::finish            first worker   skipped.txt, the summary
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "io/importers/folder.hpp"
#include "io/importers/skipped.hpp"
#include "io/importers/source.hpp"
#include "io/sampler.hpp"
#include "io/shard/shard.hpp"

namespace convoy {

enum class OnError { stop, skip };
/// by_source: where the source lies class by class.
enum class ImportShuffle { by_source, on, off };

struct ImportOptions {
  std::string out;  // folder to make; may hold shards of the same import only
  int shards = 0;   // 0: one per 256 MiB, at least 1
  Encoding encoding = Encoding::raw;
  /// Pixels; 0: as they are. With a width, pictures are resized until they cover height x width, and what sticks out
  /// is cut off on both sides alike. Without one, raw pictures become height x height in this way, and of encoded ones
  /// the shorter side becomes `height`.
  int64_t height = 0, width = 0;
  int64_t channels = 0;  // 1: grey, 3: RGB; 0: RGB of picture files, and of pixels what there is
  int quality = 95;      // of JPEGs that are encoded anew
  ImportShuffle shuffle = ImportShuffle::by_source;  // over all shards, by `seed`
  uint64_t seed = 1;
  OnError on_error = OnError::stop;
  int threads = 1;
  int rank = 0, workers = 1;
};

struct ImportSummary {
  std::string out;
  int64_t samples = 0;
  int shards = 0, kept = 0;  // kept: were there already
  Shape image;               // H = W = 0 where sizes differ
  Encoding encoding = Encoding::raw;
  int64_t classes = 0, unseen_classes = 0;  // unseen: without a sample
  std::vector<double> mean, deviation;      // per channel, in pixel units
  uint64_t bytes = 0;
  std::vector<uint64_t> shard_bytes;
  std::vector<Skipped> skipped;  // in the order of shards
  std::map<std::string, LeftOut> left_out;
  std::vector<std::string> damage;
};

/// What one worker has done so far; read by any thread.
struct ImportProgress {
  std::atomic<int64_t> done{0}, skipped{0};  // samples; `done` counts skipped ones, too
  std::atomic<bool> stop{false};             // set it: make_shards() leaves soon, by Error(preempted)
};

/// The stream of the permutation that an import shuffles by; epochs of training have small numbers.
inline constexpr uint64_t import_order = uint64_t{1} << 40;

class ImportJob {
 public:
  /// Throws Error(usage) where the options do not fit the source, Error(data) where the source is damaged as a whole
  /// and errors are not skipped. `source` must outlive the job.
  ImportJob(const SampleSource& source, const ImportOptions& options, const std::string& kind);

  /// A hash of what is imported and how.
  const std::string& dataset_id() const { return header_.dataset_id; }
  int shards() const { return header_.shards; }
  /// How many shards are there already; without any, lists of what an earlier import has skipped are removed. Throws
  /// Error(storage) where the folder holds anything else.
  int check_folder();
  /// Samples of this worker's shards that are yet to be made.
  int64_t planned() const;
  /// Throws Error(data) for the first sample that is broken, unless such are skipped; Error(storage).
  void make_shards(ImportProgress& progress) const;
  ImportSummary finish() const;

 private:
  struct Part {
    int shard;
    int64_t begin, end;  // positions in the global order
  };
  std::string path_of(int shard) const;
  Part part(int shard) const;
  std::vector<Part> parts_to_make() const;
  void skip(const Error& error, int64_t sample, std::vector<Skipped>& skipped) const;
  void settle_image();
  void settle_shards();
  void make_id(const std::string& kind);

  const SampleSource& source_;
  ImportOptions options_;
  bool shuffled_;
  ShardHeader header_;
  int kept_ = 0;
};

/// All steps, by one worker.
ImportSummary import_dataset(SourceOptions source, const ImportOptions& options);

}  // namespace convoy
