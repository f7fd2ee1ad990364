// From a sample as its source has it to what a shard stores.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "io/importers/source.hpp"
#include "io/shard/shard.hpp"

namespace convoy {

struct PrepareOptions {
  Encoding from = Encoding::raw, to = Encoding::raw;
  int64_t height = 0, width = 0;  // as ImportOptions has them, but raw ones always have both
  bool resize = false;            // else a picture of another size than height x width is an error
  int64_t channels = 3;
  int quality = 95;
};

struct Prepared {
  std::vector<std::byte> encoded;  // where `to` is jpeg: the file
  Image pixels;                    // what is stored, or what `encoded` decodes to
};

/// What a thread needs meanwhile.
struct PrepareScratch {
  Sample sample;
  Image decoded, resized;
};

/// How many samples a thread makes at a time: pictures take long, pixels are made in batches of up to 1 MiB.
/// `image_bytes`: of pixels as their source has them.
int64_t samples_at_a_time(const PrepareOptions& options, int64_t image_bytes);

/// Prepares scratch.sample; may take parts of it away. Every picture is decoded, whether that is needed or not, so that
/// nothing broken is stored. Throws Error(data) that begins with `name`, Error(usage) for a size that does not fit.
void prepare(PrepareScratch& scratch, const std::string& name, const PrepareOptions& options, Prepared& prepared);

}  // namespace convoy
