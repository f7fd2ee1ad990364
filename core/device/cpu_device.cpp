// The CPU: ordinary memory on page borders.
#include <omp.h>
#include <sys/mman.h>

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

class CpuDevice final : public Device {
 public:
  Backend backend() const override { return Backend::cpu; }

  std::string describe() const override {
    const int threads = omp_get_max_threads();
    return concat("CPU, ", threads, threads == 1 ? " thread, " : " threads, ", onednn::describe_library());
  }

  void* allocate(size_t bytes, std::string_view purpose) override {
    const size_t border = bytes >= huge_page ? huge_page : page;
    const size_t rounded = (bytes + border - 1) / border * border;
    void* memory = rounded < bytes ? nullptr : std::aligned_alloc(border, rounded ? rounded : border);
    if (!memory) {
      fail(ExitCode::out_of_memory, "cannot allocate ", human_bytes(bytes), " for ", purpose,
           ": the machine has no such memory left; use a smaller batch or fewer workers on this machine");
    }
    // A step touches all of it again and again: fewer, larger pages save most of the translations.
    if (border == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);
    std::memset(memory, 0, rounded);
    return memory;
  }

  void release(void* memory) noexcept override { std::free(memory); }
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() {
  return std::make_unique<CpuDevice>();
}

}  // namespace convoy
