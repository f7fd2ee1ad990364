// See canvas.hpp.
#include "io/augment/canvas.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/error.hpp"
#include "io/augment/kernels.hpp"

namespace convoy {
namespace {

Box common(const Box& a, const Box& b) {
  const int64_t top = std::max(a.top, b.top), left = std::max(a.left, b.left);
  return {.top = top,
          .left = left,
          .height = std::max<int64_t>(std::min(a.top + a.height, b.top + b.height) - top, 0),
          .width = std::max<int64_t>(std::min(a.left + a.width, b.left + b.width) - left, 0)};
}

PictureView whole(PictureSize size) {
  const Box box{.height = size.height, .width = size.width};
  return {.box = box, .valid = box};
}

}  // namespace

Box PictureView::in_picture(const Box& part) const {
  return {.top = box.top + part.top,
          .left = flipped ? box.left + box.width - part.left - part.width : box.left + part.left,
          .height = part.height,
          .width = part.width};
}

void PictureView::crop(const Box& part) {
  valid = common(valid, box);  // what was cut off does not come back
  box = in_picture(part);
}

bool PictureView::filled() const {
  const Box there = common(valid, box);
  return there.height == box.height && there.width == box.width;
}

Canvas::Canvas(const Image& picture, CanvasBuffers& buffers) : buffers_(buffers) {
  start(picture);
  origin_ = view_;
}

Canvas::Canvas(const float* pixels, PictureSize size, int64_t channels, CanvasBuffers& buffers)
    : buffers_(buffers),
      pixels_(reinterpret_cast<const std::byte*>(pixels)),
      pixel_bytes_(static_cast<size_t>(channels) * sizeof(float)),
      channels_(channels),
      source_size_(size),
      view_(whole(size)),
      origin_(view_) {}

void Canvas::start(const Image& picture) {
  source_ = &picture;
  pixels_ = reinterpret_cast<const std::byte*>(picture.pixels.data());
  pixel_bytes_ = static_cast<size_t>(picture.channels);
  channels_ = picture.channels;
  source_size_ = {picture.height, picture.width};
  view_ = whole(source_size_);
}

void Canvas::crop(const Box& part, uint8_t fill) {
  if (fill != fill_ && source_ && !view_.filled()) pixels();  // which keeps the fill that is seen by now
  fill_ = fill;
  view_.crop(part);
  origin_.crop(part);
}

void Canvas::flip() {
  view_.flip();
  origin_.flip();
}

void Canvas::resize(const Box& part, PictureSize size) {
  if (!source_) fail(ExitCode::internal, "resize of an fp32 picture");
  if (!view_.filled()) pixels();
  Image& to = spare();
  convoy::resize(*source_, view_.in_picture(part), size.height, size.width, to);
  const bool flipped = view_.flipped;
  start(to);
  view_.flipped = flipped;
}

uint8_t* Canvas::pixels() {
  if (!source_) fail(ExitCode::internal, "colours of an fp32 picture");
  const bool own = source_ == &buffers_.picture[0] || source_ == &buffers_.picture[1];
  const bool as_is = view_.filled() && !view_.flipped && view_.box.top == 0 && view_.box.left == 0 &&
                     view_.box.height == source_size_.height && view_.box.width == source_size_.width;
  if (!own || !as_is) {
    Image& to = spare();
    to.height = view_.box.height, to.width = view_.box.width, to.channels = channels_;
    to.pixels.resize(to.bytes());
    write(to.pixels.data());
    start(to);
  }
  return const_cast<uint8_t*>(source_->pixels.data());  // one of the buffers
}

void Canvas::write(void* out) const {
  const Box there = common(view_.valid, view_.box);
  const int64_t left =
      view_.flipped ? view_.box.left + view_.box.width - there.left - there.width : there.left - view_.box.left;
  const size_t before = static_cast<size_t>(left) * pixel_bytes_,
               middle = static_cast<size_t>(there.width) * pixel_bytes_;
  const size_t row_bytes = static_cast<size_t>(view_.box.width) * pixel_bytes_;
  const int fill = source_ ? fill_ : 0;
  auto* row = static_cast<std::byte*>(out);
  for (int64_t y = view_.box.top; y < view_.box.top + view_.box.height; ++y, row += row_bytes) {
    if (middle == 0 || y < there.top || y >= there.top + there.height) {
      std::memset(row, fill, row_bytes);
      continue;
    }
    const std::byte* from = pixels_ + static_cast<size_t>(y * source_size_.width + there.left) * pixel_bytes_;
    if (before > 0) std::memset(row, fill, before);
    if (view_.flipped) {
      mirror_row(from, there.width, pixel_bytes_, row + before);
    } else {
      std::memcpy(row + before, from, middle);
    }
    if (before + middle < row_bytes) std::memset(row + before + middle, fill, row_bytes - before - middle);
  }
}

void Canvas::write_without_mean(const float* mean, PictureSize mean_size, float* out) {
  const uint8_t* pixel = pixels();
  const Box there = common(origin_.valid, origin_.box);
  const int64_t width = origin_.box.width;
  for (int64_t y = 0; y < origin_.box.height; ++y) {
    const int64_t from_y = origin_.box.top + y;
    const bool row_there = from_y >= there.top && from_y < there.top + there.height;
    for (int64_t x = 0; x < width; ++x) {
      const int64_t from_x = origin_.box.left + (origin_.flipped ? width - 1 - x : x);
      const bool is_there = row_there && from_x >= there.left && from_x < there.left + there.width;
      const float* of = mean + (from_y * mean_size.width + from_x) * channels_;
      for (int64_t c = 0; c < channels_; ++c, ++pixel, ++out)
        *out = is_there ? static_cast<float>(*pixel) - of[c] : 0.0f;
    }
  }
}

}  // namespace convoy
