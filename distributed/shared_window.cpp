// One rank makes a memfd, the others open it through /proc; a random token tells them that it is the right one, since
// two containers may give the same number to two processes.
#include "distributed/shared_window.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "distributed/memory_comm.hpp"
#include "distributed/sockets.hpp"

namespace convoy {
namespace {

constexpr size_t page = 4096;
constexpr size_t huge_page = size_t{2} << 20;
constexpr size_t bounce_bytes = size_t{1} << 18;  // fits the second-level cache beside what it is added to

size_t rounded(size_t bytes) {
  const size_t border = bytes >= huge_page ? huge_page : page;
  return (bytes + border - 1) / border * border;
}

/// Where the parts lie: the token, the communicators, what is common, what is each rank's own.
struct Layout {
  Layout(const WindowSize& size, int ranks_in)
      : ranks(static_cast<size_t>(ranks_in)),
        meeting_bytes((MeetingPlace::bytes(ranks_in) + page - 1) / page * page),
        communicator_bytes(meeting_bytes + ranks * bounce_bytes),
        common_begin(rounded(page + SharedWindow::most_communicators * communicator_bytes)),
        own_begin(common_begin + rounded(size.common_bytes)),
        own_stride(rounded(size.own_bytes)),
        total(own_begin + ranks * own_stride) {}

  size_t communicator(int index) const { return page + static_cast<size_t>(index) * communicator_bytes; }
  size_t own(int rank) const { return own_begin + static_cast<size_t>(rank) * own_stride; }

  size_t ranks, meeting_bytes, communicator_bytes, common_begin, own_begin, own_stride, total;
};

/// More than any machine has, and than Layout can add up.
bool is_absurd(const WindowSize& size, int ranks) {
  return static_cast<double>(size.common_bytes) + ranks * static_cast<double>(size.own_bytes) > 0x1p60;
}

/// How the others find the memory: "PID FD TOKEN", or "" where it could not be made.
struct Announcement {
  int process = 0, file = -1;
  uint64_t token = 0;
};

std::string why(const char* doing) {
  return concat(doing, ": ", std::strerror(errno));
}

/// Reserves [begin, end) of the file. On the machine's nearest memory, if it has several.
std::string reserve(int file, size_t begin, size_t end) {
  // A signal ends the call and undoes what it has done: small parts, so that even a profiler's do not stop it for ever.
  constexpr size_t part = 8 * huge_page;
  for (size_t at = begin; at < end;) {
    const size_t bytes = std::min(part, end - at);
    const int error = posix_fallocate(file, static_cast<off_t>(at), static_cast<off_t>(bytes));
    if (error == 0) at += bytes;
    if (error != 0 && error != EINTR) return concat("reserving ", human_bytes(end - begin), ": ", std::strerror(error));
  }
  return "";
}

}  // namespace

struct SharedWindow::Mapping {
  explicit Mapping(size_t bytes_in) : bytes(bytes_in) {}
  ~Mapping() {
    if (begin != nullptr) munmap(begin, bytes);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string map(int file) {
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) return why("mapping it");
    begin = static_cast<std::byte*>(mapped);
    madvise(begin, bytes, MADV_HUGEPAGE);  // where the machine has them for shared memory
    return "";
  }

  std::byte* begin = nullptr;
  size_t bytes;
};

namespace {

uint64_t random_token() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

/// A memfd of `bytes` bytes; "" or why not.
std::string make_file(size_t bytes, Descriptor& file) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) {
    return concat("the limit on the size of files (ulimit -f) is below ", human_bytes(bytes));
  }
  file = Descriptor(memfd_create("convoy", MFD_CLOEXEC));
  if (!file.open()) return why("memfd_create");
  return ftruncate(file.number(), static_cast<off_t>(bytes)) == 0 ? "" : why("setting its size");
}

std::string open_file(const Announcement& announced, size_t bytes, Descriptor& file) {
  const std::string path = concat("/proc/", announced.process, "/fd/", announced.file);
  file = Descriptor(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!file.open()) return why(path.c_str());
  struct stat status {};
  if (fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode) || static_cast<size_t>(status.st_size) != bytes) {
    return path + " is another process's";
  }
  return "";
}

}  // namespace

std::unique_ptr<SharedWindow> SharedWindow::make(Communicator& node, const WindowSize& size,
                                                 const CommunicatorOptions& options, std::string& problem) {
  const int rank = node.rank(), ranks = node.size();
  const Layout layout(size, ranks);
  auto mapping = std::make_shared<Mapping>(layout.total);
  Descriptor file;
  std::string mine;
  Announcement announced;
  const auto token_at = [&] { return reinterpret_cast<uint64_t*>(mapping->begin); };

  if (rank == 0) {
    mine = is_absurd(size, ranks) ? "there is no memory of that size" : make_file(layout.total, file);
    if (mine.empty()) mine = reserve(file.number(), 0, layout.common_begin);
    if (mine.empty()) mine = mapping->map(file.number());
    if (mine.empty()) {
      announced = {.process = getpid(), .file = file.number(), .token = random_token()};
      *token_at() = announced.token;
    }
  }
  node.broadcast(std::as_writable_bytes(std::span(&announced, 1)), 0);
  if (rank != 0 && announced.file >= 0) {
    mine = open_file(announced, layout.total, file);
    if (mine.empty()) mine = mapping->map(file.number());
    if (mine.empty() && *token_at() != announced.token) mine = "the memory found is another run's";
  }
  if (mine.empty() && announced.file >= 0) {
    // Each reserves a part of what is common as well, so that it is spread over the machine's memories.
    const auto shares = Slices::even(layout.common_begin, layout.own_begin, ranks, page);
    const auto r = static_cast<size_t>(rank);
    mine = reserve(file.number(), shares.borders[r], shares.borders[r + 1]);
    if (mine.empty()) mine = reserve(file.number(), layout.own(rank), layout.own(rank) + layout.own_stride);
  }
  const std::vector<std::string> all = node.gather_texts(mine);
  for (size_t r = 0; r < all.size(); ++r) {
    if (all[r].empty()) continue;
    problem = concat("worker ", r, " of the node: ", all[r]);
    return nullptr;
  }
  return std::unique_ptr<SharedWindow>(new SharedWindow(std::move(mapping), rank, ranks, size, options));
}

SharedWindow::SharedWindow(std::shared_ptr<Mapping> mapping, int rank, int ranks, const WindowSize& size,
                           const CommunicatorOptions& options)
    : mapping_(std::move(mapping)), rank_(rank), ranks_(ranks), size_(size), options_(options) {}

SharedWindow::~SharedWindow() = default;

std::span<std::byte> SharedWindow::common() const {
  return {mapping_->begin + Layout(size_, ranks_).common_begin, size_.common_bytes};
}

std::span<std::byte> SharedWindow::own() const {
  return {mapping_->begin + Layout(size_, ranks_).own(rank_), size_.own_bytes};
}

std::unique_ptr<Communicator> SharedWindow::make_communicator() {
  if (made_ == most_communicators) {
    fail(ExitCode::internal, "a shared window has room for ", most_communicators,
         " communicators: please report this defect in Convoy");
  }
  const Layout layout(size_, ranks_);
  std::byte* begin = mapping_->begin + layout.communicator(made_++);
  const MeetingPlace place(begin, ranks_, options_.timeout);
  return std::make_unique<MemoryComm>(mapping_, place, rank_,
                                      Sight{.base = mapping_->begin,
                                            .bytes = mapping_->bytes,
                                            .bounce = begin + layout.meeting_bytes,
                                            .bounce_bytes = bounce_bytes},
                                      "shared memory");
}

}  // namespace convoy
