// convoy inspect DIR --sample N: pictures of a dataset as the network will see them.
#pragma once

#include <cstdint>
#include <string>

namespace convoy {

struct InspectSample {
  int64_t count = 0;    // pictures; 0: none are asked for
  std::string augment;  // a chain, or a recipe, whose augment and seed are taken; "": none
  std::string out;      // the PNG file
};

/// Writes the first `count` samples of the run's order as a grid, and tells on standard output which they are. Throws
/// Error(usage) for what does not fit together.
int inspect_sample(const std::string& folder, const InspectSample& options);

}  // namespace convoy
