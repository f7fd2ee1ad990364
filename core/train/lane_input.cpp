#include "core/train/lane_input.hpp"

#include <cstring>

namespace convoy {
namespace {

size_t pixel_bytes(const Net& net, int64_t images) {
  const PixelsSpec& pixels = net.options().pixels;
  return static_cast<size_t>(images * pixels.input.count()) * size_of(pixels.dtype);
}

/// A position and labels; the next position is on a border again.
size_t number_bytes(int64_t images) {
  return sizeof(int64_t) + static_cast<size_t>((images + 1) / 2 * 2) * sizeof(int32_t);
}

}  // namespace

LaneInput::LaneInput(Device& device, const Net& net, int64_t images, int passes)
    : device_(device),
      pixel_bytes_(pixel_bytes(net, images)),
      number_bytes_(number_bytes(images)),
      images_(images),
      passes_(passes),
      numbers_(number_bytes_ * static_cast<size_t>(passes)) {
  if (device.on_host()) return;
  pixels_ = DeviceBuffer(device, pixel_bytes_, "images");
  device_numbers_ = DeviceBuffer(device, number_bytes_, "labels");
  fed_pixels_ = DeviceBuffer(device, pixel_bytes_ * static_cast<size_t>(passes), "images");
  fed_numbers_ = DeviceBuffer(device, numbers_.size(), "labels");
  feeder_ = device.make_feeder();
  feeder_->release();  // before the first copy the new memory has been cleared
}

size_t LaneInput::bytes(const Net& net, int64_t images, int passes) {
  return (pixel_bytes(net, images) + number_bytes(images)) * static_cast<size_t>(1 + passes);
}

void LaneInput::feed(const Batch& batch) {
  fed_ = static_cast<const std::byte*>(batch.images.data);
  for (int pass = 0; pass < passes_; ++pass) {
    std::byte* numbers = numbers_.data() + number_bytes_ * static_cast<size_t>(pass);
    const int64_t first = pass * images_, position = batch.position + first;
    std::memcpy(numbers, &position, sizeof position);
    std::memcpy(numbers + sizeof position, batch.labels.data() + first, static_cast<size_t>(images_) * sizeof(int32_t));
  }
  if (!feeder_) return;
  feeder_->start(fed_pixels_.data(), fed_, fed_pixels_.bytes());
  feeder_->start(fed_numbers_.data(), numbers_.data(), numbers_.size());
}

void LaneInput::wait() {
  if (feeder_) feeder_->wait();
}

NetBatch LaneInput::pass(int pass) {
  const auto at = static_cast<size_t>(pass);
  if (!feeder_) {
    const std::byte* numbers = numbers_.data() + at * number_bytes_;
    return {.pixels = fed_ + at * pixel_bytes_,
            .labels = reinterpret_cast<const int32_t*>(numbers + sizeof(int64_t)),
            .position = reinterpret_cast<const int64_t*>(numbers)};
  }
  if (pass == 0) feeder_->join();
  device_.copy(pixels_.data(), fed_pixels_.data() + at * pixel_bytes_, pixel_bytes_);
  device_.copy(device_numbers_.data(), fed_numbers_.data() + at * number_bytes_, number_bytes_);
  if (pass + 1 == passes_) feeder_->release();
  return place();
}

NetBatch LaneInput::take(const NetBatch& batch) {
  if (device_.on_host()) return batch;
  NetBatch copy = place();
  device_.upload(pixels_.data(), batch.pixels, pixel_bytes_);
  if (batch.labels) {
    device_.upload(device_numbers_.data() + sizeof(int64_t), batch.labels,
                   static_cast<size_t>(images_) * sizeof(int32_t));
  } else {
    copy.labels = nullptr;
  }
  copy.position = nullptr;  // inference does not ask for it
  return copy;
}

NetBatch LaneInput::place() const {
  return {.pixels = pixels_.data(),
          .labels = reinterpret_cast<const int32_t*>(device_numbers_.data() + sizeof(int64_t)),
          .position = reinterpret_cast<const int64_t*>(device_numbers_.data())};
}

}  // namespace convoy
