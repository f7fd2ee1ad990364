// One sample of a dataset as pixels, whatever its encoding.
#include "core/base/error.hpp"
#include "io/image/decode.hpp"
#include "io/shard/dataset.hpp"

namespace convoy {

int32_t Dataset::read_sample(int64_t sample, SampleBuffer& buffer, int64_t least_side) const {
  const auto [shard, row] = place(sample);
  if (encoding() == Encoding::raw) {
    if (dtype() != DType::u8) fail(ExitCode::internal, folder_, ": ", name_of(dtype()), " images asked as pixels");
    buffer.image.height = image()[0];
    buffer.image.width = image()[1];
    buffer.image.channels = image()[2];
    buffer.image.pixels.resize(image_bytes());
    shard.read(row, buffer.image.pixels.data());
  } else {
    shard.read_encoded(row, buffer.encoded);
    decode_image(buffer.encoded, shard.place_of(row), {.channels = image()[2], .least_side = least_side}, buffer.image);
  }
  return shard.labels()[static_cast<size_t>(row)];
}

}  // namespace convoy
