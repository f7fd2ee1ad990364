// Memory for batches: on page borders, and of huge pages where it is large enough for some. The kernel's copy out of
// the page cache into huge pages is a quarter faster than into small ones.
#pragma once

#include <cstddef>
#include <memory>

namespace convoy {

struct FreePages {
  void operator()(std::byte* pages) const;
};
using Pages = std::unique_ptr<std::byte[], FreePages>;

/// At least one page. Throws Error(out_of_memory).
Pages allocate_pages(size_t bytes);

}  // namespace convoy
