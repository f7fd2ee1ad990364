// Reading shards: HDF5 says where the images lie, pread fetches them, CRC32C vouches for them.
#include <fcntl.h>

#include <cstring>
#include <optional>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "io/direct_file.hpp"
#include "io/shard/contents.hpp"
#include "io/shard/shard.hpp"

namespace convoy {
namespace {

constexpr const char* remedy = "; copy the shard again from its source, or import the dataset again";

}  // namespace

struct ShardReader::Impl : ShardContents {
  void fetch(int64_t row, int64_t count, std::byte* to) const;
  void check(int64_t row, const std::byte* image) const;
  void check_rows(int64_t row, int64_t count, Encoding wanted) const;

  /// Bytes [begin, end) of `data` that hold image `row`.
  uint64_t begin_of(int64_t row) const {
    return offsets.empty() ? static_cast<uint64_t>(row) * image_bytes : offsets[static_cast<size_t>(row)];
  }
  size_t bytes_of(int64_t row) const { return static_cast<size_t>(begin_of(row + 1) - begin_of(row)); }

  std::string path;
  ReadOptions options;
  size_t image_bytes = 0;  // of raw images
  FileDescriptor file;
  std::optional<DirectFile> direct;
  std::unique_ptr<hdf5::Rows> reader;  // where HDF5 reads the images
  std::string why_not_direct;
  std::vector<std::byte> held;  // all images, or empty
};

void ShardReader::Impl::fetch(int64_t row, int64_t count, std::byte* to) const {
  const uint64_t begin = begin_of(row);
  const auto bytes = static_cast<size_t>(begin_of(row + count) - begin);
  if (!held.empty()) {
    std::memcpy(to, held.data() + begin, bytes);
    return;
  }
  if (reader) {
    if (header.encoding == Encoding::raw) return reader->read(row, count, to);
    return reader->read(static_cast<int64_t>(begin), static_cast<int64_t>(bytes), to);
  }
  const uint64_t at = data.offset + begin;
  const size_t got = direct ? direct->read_at(path, to, bytes, at) : read_at(file, path, to, bytes, at);
  if (got == bytes) return;
  int64_t missing = row;
  while (begin_of(missing + 1) <= begin + got) ++missing;
  fail(ExitCode::data, path, ": image ", missing, " at byte ", data.offset + begin_of(missing),
       ": the file was cut short while it was read, it now has ", size_of_file(file, path), " bytes", remedy);
}

void ShardReader::Impl::check(int64_t row, const std::byte* image) const {
  const uint32_t found = crc32c(image, bytes_of(row));
  if (found == checksums[static_cast<size_t>(row)]) return;
  fail(ExitCode::data, path, ": image ", row, " at byte ", data.offset + begin_of(row), ": its ", bytes_of(row),
       " bytes are damaged, they do not match their CRC32C", remedy);
}

void ShardReader::Impl::check_rows(int64_t row, int64_t count, Encoding wanted) const {
  if (row < 0 || count < 0 || count > header.count - row) {
    fail(ExitCode::internal, path, ": rows ", row, " to ", row + count, " asked of ", header.count);
  }
  if (header.encoding != wanted) fail(ExitCode::internal, path, ": raw images asked of encoded ones, or the reverse");
}

ShardReader::ShardReader(const std::string& path, const ReadOptions& options) : impl_(std::make_unique<Impl>()) {
  Impl& shard = *impl_;
  shard.path = path;
  shard.options = options;
  {
    const hdf5::Session session;
    static_cast<ShardContents&>(shard) = read_shard_contents(hdf5::open_file(path));
  }
  shard.image_bytes = static_cast<size_t>(shard.header.image.count()) * size_of(shard.header.dtype);
  shard.file = open_to_read(path);
  if (!shard.through.empty()) {
    shard.reader = std::make_unique<hdf5::Rows>(path, shard.rows);
  } else if (options.access == ReadOptions::Access::direct) {
    shard.direct = DirectFile::open(path, shard.why_not_direct);
  }
}

ShardReader::~ShardReader() = default;

const std::string& ShardReader::path() const {
  return impl_->path;
}
const ShardHeader& ShardReader::header() const {
  return impl_->header;
}
const std::vector<int32_t>& ShardReader::labels() const {
  return impl_->labels;
}
bool ShardReader::has_checksums() const {
  return !impl_->checksums.empty() || impl_->header.count == 0;
}

uint64_t ShardReader::image_bytes() const {
  return impl_->begin_of(impl_->header.count);
}
bool ShardReader::held() const {
  return !impl_->held.empty();
}

bool ShardReader::through_hdf5() const {
  return impl_->reader != nullptr;
}

std::string ShardReader::notice() const {
  const Impl& shard = *impl_;
  std::vector<std::string> parts;
  if (shard.reader) {
    std::string cost = shard.rows.dataset + " are " + shard.through;
    if (!shard.held.empty()) {
      cost += ": HDF5 read them once, " + human_bytes(shard.held.size()) + " are held in memory";
    } else {
      cost += ": HDF5 reads them, one thread at a time";
      if (shard.reader->rows_in_chunk() > 1) {
        cost += ", in random order " + std::to_string(shard.reader->rows_in_chunk()) + " images for each one";
      }
      cost += "; `convoy import hdf5` makes shards that all threads read at once";
    }
    parts.push_back(cost);
  }
  parts.insert(parts.end(), shard.remarks.begin(), shard.remarks.end());
  if (!shard.why_not_direct.empty()) {
    parts.push_back("its file system does not read past the page cache (" + shard.why_not_direct +
                    "), the page cache is used");
  }
  return join(parts, "; ");
}

std::vector<float> ShardReader::mean_image() const {
  const hdf5::Session session;
  return read_mean_image(hdf5::open_file(impl_->path), impl_->header.image);
}

void ShardReader::hold_in_memory() {
  std::vector<std::byte> images(static_cast<size_t>(impl_->begin_of(impl_->header.count)));
  impl_->fetch(0, impl_->header.count, images.data());
  impl_->held = std::move(images);
}

void ShardReader::read(int64_t row, void* image) const {
  read(row, 1, image);
}

void ShardReader::read(int64_t row, int64_t count, void* images) const {
  const Impl& shard = *impl_;
  shard.check_rows(row, count, Encoding::raw);
  auto* to = static_cast<std::byte*>(images);
  shard.fetch(row, count, to);
  if (shard.checksums.empty() || shard.options.checks == ReadOptions::Checks::off) return;
  for (int64_t i = 0; i < count; ++i) shard.check(row + i, to + static_cast<size_t>(i) * shard.image_bytes);
}

void ShardReader::read_encoded(int64_t row, std::vector<std::byte>& encoded) const {
  const Impl& shard = *impl_;
  shard.check_rows(row, 1, Encoding::jpeg);
  encoded.resize(shard.bytes_of(row));
  shard.fetch(row, 1, encoded.data());
  if (!shard.checksums.empty() && shard.options.checks == ReadOptions::Checks::on) shard.check(row, encoded.data());
}

size_t ShardReader::bytes_of(int64_t row) const {
  return impl_->bytes_of(row);
}

std::string ShardReader::place_of(int64_t row) const {
  return impl_->path + ": image " + std::to_string(row) + " at byte " +
         std::to_string(impl_->data.offset + impl_->begin_of(row));
}

void ShardReader::will_need(int64_t row, int64_t count) const {
  const Impl& shard = *impl_;
  if (!shard.held.empty() || shard.reader || shard.direct) return;
  const uint64_t begin = shard.begin_of(row);
  posix_fadvise(shard.file.get(), static_cast<off_t>(shard.data.offset + begin),
                static_cast<off_t>(shard.begin_of(row + count) - begin), POSIX_FADV_WILLNEED);
}

}  // namespace convoy
