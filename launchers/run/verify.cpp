// Verifying in pieces of some neighbouring images, which threads take in file order: the disk sees one long read.
#include "launchers/run/verify.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>

#include "core/base/error.hpp"
#include "io/image/decode.hpp"
#include "io/pages.hpp"

namespace convoy {
namespace {

constexpr uint64_t piece_bytes = 4 << 20;

struct Piece {
  const ShardReader* shard = nullptr;
  size_t number = 0;  // of the shard
  int64_t begin = 0, count = 0;
  uint64_t bytes = 0;
};

std::vector<Piece> cut(const std::vector<const ShardReader*>& shards) {
  std::vector<Piece> pieces;
  for (size_t number = 0; number < shards.size(); ++number) {
    const int64_t count = shards[number]->header().count;
    Piece piece{.shard = shards[number], .number = number};
    for (int64_t row = 0; row < count; ++row) {
      ++piece.count;
      piece.bytes += shards[number]->bytes_of(row);
      if (piece.bytes < piece_bytes && row + 1 < count) continue;
      pieces.push_back(piece);
      piece = {.shard = shards[number], .number = number, .begin = row + 1};
    }
  }
  return pieces;
}

/// What one thread works with.
struct Buffers {
  Pages raw;
  uint64_t raw_bytes = 0;
  std::vector<std::byte> encoded;
  Image image;
};

class Verifier {
 public:
  Verifier(const std::vector<const ShardReader*>& shards, const std::function<void(const VerifyProgress&)>& watch)
      : pieces_(cut(shards)), watch_(watch) {
    for (const Piece& piece : pieces_) progress_.all_bytes += piece.bytes;
  }

  VerifyReport run(int threads) {
    std::vector<std::thread> others;
    guarded([&] {
      for (int i = 1; i < threads; ++i) others.emplace_back([this] { guarded([this] { work(); }); });
      work();
    });
    for (std::thread& other : others) other.join();
    if (failure_) std::rethrow_exception(failure_);
    VerifyReport report{.damaged = progress_.damaged, .bytes = progress_.bytes};
    for (const Piece& piece : pieces_) {
      report.images += piece.count;
      report.compared = report.compared && piece.shard->has_checksums();
    }
    for (const auto& [shard, row, words] : complaints_) report.complaints.push_back(words);
    return report;
  }

 private:
  /// What ends one thread, such as memory that has run out, ends them all.
  void guarded(const std::function<void()>& task) noexcept {
    try {
      task();
    } catch (...) {
      next_ = pieces_.size();
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void work() {
    Buffers buffers;
    for (size_t mine = next_++; mine < pieces_.size(); mine = next_++) {
      if (mine + 1 < pieces_.size())
        pieces_[mine + 1].shard->will_need(pieces_[mine + 1].begin, pieces_[mine + 1].count);
      read(pieces_[mine], buffers);
      const std::lock_guard lock(mutex_);
      progress_.bytes += pieces_[mine].bytes;
      watch_(progress_);
    }
  }

  void read(const Piece& piece, Buffers& buffers) {
    const bool raw = piece.shard->header().encoding == Encoding::raw;
    if (raw) {
      if (buffers.raw_bytes < piece.bytes) {
        buffers.raw = allocate_pages(piece.bytes);
        buffers.raw_bytes = piece.bytes;
      }
      try {
        piece.shard->read(piece.begin, piece.count, buffers.raw.get());
        return;
      } catch (const Error&) {
        // Some image of the piece; which, and whether others, the loop below finds.
      }
    }
    for (int64_t row = piece.begin; row < piece.begin + piece.count; ++row) {
      try {
        raw ? piece.shard->read(row, buffers.raw.get()) : decode(*piece.shard, row, buffers);
      } catch (const Error& error) {
        complain(piece.number, row, error.what());
      }
    }
  }

  static void decode(const ShardReader& shard, int64_t row, Buffers& buffers) {
    shard.read_encoded(row, buffers.encoded);
    const Shape& expected = shard.header().image;
    decode_image(buffers.encoded, shard.place_of(row), {.channels = expected[2]}, buffers.image);
    if (expected[0] > 0 && (buffers.image.height != expected[0] || buffers.image.width != expected[1])) {
      fail(ExitCode::data, shard.place_of(row), ": is ", buffers.image.height, "x", buffers.image.width,
           ", where the shard says that all images are ", expected.text(), "; import the dataset again");
    }
  }

  void complain(size_t shard, int64_t row, const std::string& words) {
    const std::lock_guard lock(mutex_);
    ++progress_.damaged;
    complaints_.emplace(shard, row, words);
    if (complaints_.size() > most_complaints) complaints_.erase(std::prev(complaints_.end()));
  }

  const std::vector<Piece> pieces_;
  const std::function<void(const VerifyProgress&)>& watch_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
  VerifyProgress progress_;
  std::set<std::tuple<size_t, int64_t, std::string>> complaints_;
};

}  // namespace

VerifyReport verify_images(const std::vector<const ShardReader*>& shards, int threads,
                           const std::function<void(const VerifyProgress&)>& watch) {
  return Verifier(shards, watch).run(threads);
}

}  // namespace convoy
