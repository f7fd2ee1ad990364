// The plan of an import, what is there of it already, and what came out.
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/error.hpp"
#include "io/image/decode.hpp"
#include "io/importers/import.hpp"
#include "io/shard/dataset.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr int64_t shard_bytes = 256 << 20;
constexpr int most_shards = 99999;

/// A dataset has all its shards open at a time, besides what else a program has open.
void check_open_files(int shards) {
  constexpr rlim_t others = 64;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  if (static_cast<rlim_t>(shards) + others <= limit.rlim_cur) return;
  fail(ExitCode::usage, "shards: ", shards, " cannot all be open at a time, as training has them: at most ",
       limit.rlim_cur, " files can be, ", others, " of them for other things; ask for fewer by --shards, or raise the ",
       "limit (ulimit -n)");
}

}  // namespace

ImportJob::ImportJob(const SampleSource& source, const ImportOptions& options, const std::string& kind)
    : source_(source),
      options_(options),
      shuffled_(options.shuffle == ImportShuffle::on ||
                (options.shuffle == ImportShuffle::by_source && source.by_class())) {
  if (!source.damage().empty() && options.on_error == OnError::stop) {
    const size_t more = source.damage().size() - 1;
    fail(ExitCode::data, source.damage().front(), more > 0 ? concat(" (and ", more, " more archives are damaged)") : "",
         "; fetch it again, or import what is whole by --on-error skip");
  }
  if (source.size() == 0) fail(ExitCode::data, options.out, ": nothing to import; check the source");
  header_.encoding = options.encoding;
  header_.classes = source.classes();
  header_.class_count = source.class_count();
  settle_image();
  settle_shards();
  make_id(kind);
}

/// Raw pictures have one size: the one asked for, else the first one's.
void ImportJob::settle_image() {
  int64_t channels = options_.channels;
  if (source_.encoded()) {
    if (channels == 0) channels = 3;
    header_.image = {options_.height, options_.width > 0 ? options_.width : options_.height, channels};
    if (options_.height > 0 || header_.encoding == Encoding::jpeg) return;
    Sample sample;
    for (int64_t i = 0; i < source_.size(); ++i) {
      try {
        source_.fetch(i, sample);
        const ImageInfo info = image_info(sample.encoded, source_.name(i));
        header_.image = {info.height, info.width, channels};
        return;
      } catch (const Error& error) {  // make_shards() tells about it, in its turn
        if (error.code() != ExitCode::data || i + 1 == source_.size()) throw;
      }
    }
    return;
  }
  const Shape& image = source_.image();
  if (channels == 0) channels = image[2];
  const bool picture = image[2] == 1 || image[2] == 3;
  if (!picture && (channels != image[2] || options_.height > 0 || header_.encoding == Encoding::jpeg)) {
    fail(ExitCode::usage, source_.name(0), ": has ", image[2],
         " channels; only images of 1 or 3 can be resized, encoded "
         "or converted, leave out --size, --encoding and --channels");
  }
  const bool resized = options_.height > 0;
  header_.image = {resized ? options_.height : image[0],
                   resized ? (options_.width > 0 ? options_.width : options_.height) : image[1], channels};
}

void ImportJob::settle_shards() {
  const int64_t count = source_.size();
  const int wanted = options_.shards;
  if (wanted < 0 || wanted > most_shards || wanted > count) {
    fail(ExitCode::usage, "shards: ", count, " samples cannot be cut into ", wanted, " shards; ask for 1 to ",
         std::min<int64_t>(count, most_shards));
  }
  header_.shards = wanted;
  if (wanted > 0) return check_open_files(wanted);
  int64_t bytes = 0;
  if (header_.encoding == Encoding::raw) {
    bytes = count * header_.image.count();
  } else {
    for (int64_t i = 0; i < count; ++i) bytes += static_cast<int64_t>(source_.bytes(i));
  }
  header_.shards = static_cast<int>(
      std::clamp<int64_t>((bytes + shard_bytes - 1) / shard_bytes, 1, std::min<int64_t>(count, most_shards)));
  check_open_files(header_.shards);
}

void ImportJob::make_id(const std::string& kind) {
  Hash hash;
  hash.add(kind);
  source_.identify(hash);
  for (const std::string& name : header_.classes) hash.add(name);
  hash.add(header_.class_count);
  hash.add(header_.image.text());
  // Errors are no part of it: an import that stopped at a broken picture may go on without it.
  for (const int64_t option :
       {int64_t{header_.encoding == Encoding::jpeg}, options_.height, options_.width,
        int64_t{header_.encoding == Encoding::jpeg ? options_.quality : 0}, int64_t{header_.shards}, int64_t{shuffled_},
        static_cast<int64_t>(shuffled_ ? options_.seed : 0)}) {
    hash.add(option);
  }
  header_.dataset_id = hash.text();
}

std::string ImportJob::path_of(int shard) const {
  return options_.out + "/" + shard_file_name(shard, header_.shards);
}

ImportJob::Part ImportJob::part(int shard) const {
  const int64_t count = source_.size();
  return {.shard = shard, .begin = count * shard / header_.shards, .end = count * (shard + 1) / header_.shards};
}

int ImportJob::check_folder() {
  kept_ = 0;
  std::error_code ignored;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(options_.out, ignored)) {
    const std::string name = entry.path().filename().string();
    if (is_shard_file_name(name)) names.push_back(name);
  }
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const std::string path = options_.out + "/" + name;
    ShardHeader there;
    try {
      there = ShardReader(path).header();
    } catch (const Error& error) {
      fail(ExitCode::storage, error.what(), " (remove it, then the same command makes it again)");
    }
    if (there.dataset_id != header_.dataset_id || path != path_of(there.shard)) {
      fail(ExitCode::storage, options_.out, ": already holds ", name,
           " of another dataset (other sources, or other options), which is not overwritten; choose another folder, or "
           "remove the old dataset first");
    }
    ++kept_;
  }
  if (kept_ == 0) forget_skipped(options_.out);
  return kept_;
}

std::vector<ImportJob::Part> ImportJob::parts_to_make() const {
  std::vector<Part> parts;
  for (int shard = options_.rank; shard < header_.shards; shard += options_.workers) {
    std::error_code ignored;
    if (!fs::exists(path_of(shard), ignored)) parts.push_back(part(shard));
  }
  return parts;
}

int64_t ImportJob::planned() const {
  int64_t samples = 0;
  for (const Part& part : parts_to_make()) samples += part.end - part.begin;
  return samples;
}

ImportSummary ImportJob::finish() const {
  ImportSummary summary{.out = options_.out,
                        .shards = header_.shards,
                        .kept = kept_,
                        .encoding = header_.encoding,
                        .skipped = gather_skipped(options_.out, header_.shards, source_.damage()),
                        .left_out = source_.left_out(),
                        .damage = source_.damage()};
  if (std::cmp_equal(summary.skipped.size(), source_.size())) {
    const Skipped& first = summary.skipped.front();
    fail(ExitCode::data, first.name, ": ", first.reason, ", and none of the other samples could be read either; see ",
         options_.out, "/skipped.txt");
  }
  const Dataset dataset(options_.out);
  summary.samples = dataset.size();
  summary.image = dataset.image();
  summary.classes = dataset.class_count();
  summary.mean = dataset.header().mean;
  summary.deviation = dataset.header().deviation;
  std::set<int32_t> seen;
  for (const auto& shard : dataset.shards()) {
    summary.shard_bytes.push_back(fs::file_size(shard->path()));
    summary.bytes += summary.shard_bytes.back();
    seen.insert(shard->labels().begin(), shard->labels().end());
  }
  summary.unseen_classes = summary.classes - static_cast<int64_t>(seen.size());
  return summary;
}

ImportSummary import_dataset(SourceOptions source, const ImportOptions& options) {
  const ImportFolder folder(options.out);
  UnpackedFiles unpacked;
  ImportProgress progress;
  std::atomic<uint64_t> bytes{0};
  unpacked.unpack(source, options.out, bytes, progress.stop);
  const std::unique_ptr<SampleSource> samples = open_source(source);
  ImportJob job(*samples, options, source.kind);
  job.check_folder();
  job.make_shards(progress);
  return job.finish();
}

}  // namespace convoy
