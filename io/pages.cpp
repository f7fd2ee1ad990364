// Memory for batches.
#include "io/pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/error.hpp"

namespace convoy {

void FreePages::operator()(std::byte* pages) const {
  std::free(pages);
}

Pages allocate_pages(size_t bytes) {
  constexpr size_t page = 4096, huge_page = 2 << 20;
  const size_t border = bytes >= huge_page ? huge_page : page;
  const size_t size = (std::max<size_t>(bytes, 1) + border - 1) / border * border;
  auto* pages = static_cast<std::byte*>(std::aligned_alloc(border, size));
  if (!pages) fail(ExitCode::out_of_memory, "no memory for ", bytes, " bytes of images; use a smaller batch");
  if (border == huge_page) madvise(pages, size, MADV_HUGEPAGE);  // refused where the kernel knows none: no matter
  return Pages(pages);
}

}  // namespace convoy
