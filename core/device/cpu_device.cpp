// The CPU: ordinary memory on page borders.
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/device/device.hpp"
#include "core/ops/onednn/version.hpp"

namespace convoy {
namespace {

constexpr size_t page = 4096;
constexpr size_t huge_page = size_t{2} << 20;
// From here on memory is mapped; never where AddressSanitizer is to watch its borders.
#ifdef __SANITIZE_ADDRESS__
constexpr size_t large = SIZE_MAX;
#else
constexpr size_t large = huge_page;
#endif

class CpuDevice final : public Device {
 public:
  Backend backend() const override { return Backend::cpu; }

  std::string describe() const override {
    const int threads = omp_get_max_threads();
    return concat("CPU, ", threads, threads == 1 ? " thread, " : " threads, ", onednn::describe_library());
  }

  void* allocate(size_t bytes, std::string_view purpose) override {
    void* memory = bytes >= large ? map_pages(bytes) : std::aligned_alloc(page, rounded(bytes, page));
    if (!memory) {
      fail(ExitCode::out_of_memory, "cannot allocate ", human_bytes(bytes), " for ", purpose,
           ": the machine has no such memory left; use a smaller batch or fewer workers on this machine");
    }
    std::memset(memory, 0, bytes);
    return memory;
  }

  void release(void* memory, size_t bytes) noexcept override {
    if (bytes >= large) {
      munmap(memory, rounded(bytes, huge_page));
    } else {
      std::free(memory);
    }
  }

  bool on_host() const override { return true; }
  void upload(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  /// Nothing may stand at null, where memcpy may not look even for no bytes.
  void copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void synchronize() override {}
  std::unique_ptr<Feeder> make_feeder() override { fail_to_copy(); }
  std::unique_ptr<Copier> make_copier() override { fail_to_copy(); }
  std::unique_ptr<Recorder> make_recorder() override {
    fail(ExitCode::internal, "the CPU's ops run at once: there is nothing to record");
  }
  void lock_pages(void*, size_t) override {}
  void unlock_pages(void*) noexcept override {}
  size_t free_bytes() const override { return 0; }

 private:
  [[noreturn]] static void fail_to_copy() {
    fail(ExitCode::internal, "the CPU's memory is the host's: there is nothing to copy");
  }

  static size_t rounded(size_t bytes, size_t border) {
    return std::max(border, (bytes + border - 1) / border * border);
  }

  /// Mapped, because malloc may keep what is freed; on a border of huge pages, because a step touches all of it again
  /// and again, and fewer, larger pages save most of the translations.
  static void* map_pages(size_t bytes) {
    const size_t size = rounded(bytes, huge_page), room = size + huge_page;
    if (size < bytes || room < size) return nullptr;
    void* mapped = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    auto* begin = static_cast<std::byte*>(mapped);
    const size_t before = (huge_page - reinterpret_cast<uintptr_t>(begin) % huge_page) % huge_page;
    if (before > 0) munmap(begin, before);
    munmap(begin + before + size, huge_page - before);
    madvise(begin + before, size, MADV_HUGEPAGE);
    return begin + before;
  }
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() {
  return std::make_unique<CpuDevice>();
}

}  // namespace convoy
