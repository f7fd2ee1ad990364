// PNG by libpng. It leaves by longjmp as libjpeg does: see jpeg.cpp.
#include "io/image/png.hpp"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "core/base/error.hpp"
#include "io/image/checks.hpp"
#include "io/image/encode.hpp"

namespace convoy {
namespace {

struct ErrorState {
  std::jmp_buf leave;
  std::array<char, 160> message;
};

[[noreturn]] void leave_with_message(png_structp png, png_const_charp message) {
  auto* state = static_cast<ErrorState*>(png_get_error_ptr(png));
  std::snprintf(state->message.data(), state->message.size(), "%s", message);
  std::longjmp(state->leave, 1);
}

/// Warnings are of what surrounds the pixels, which have checksums.
void ignore(png_structp, png_const_charp) {}

template <typename Step>
bool guarded(ErrorState& state, const Step& step) {
  if (setjmp(state.leave) != 0) return false;
  step();
  return true;
}

/// What is left to read.
struct Source {
  const std::byte* next;
  size_t left;
};

void read_bytes(png_structp png, png_bytep to, size_t bytes) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (bytes > source->left) png_error(png, "it is cut off");
  std::memcpy(to, source->next, bytes);
  source->next += bytes;
  source->left -= bytes;
}

class Reader {
 public:
  Reader(std::span<const std::byte> encoded, const std::string& name);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  template <typename Step>
  void run(const Step& step) {
    if (!guarded(errors_, step)) fail_damaged(name_, "PNG", concat("libpng: ", errors_.message.data()));
  }
  png_structp png() { return png_; }
  png_infop info() { return info_; }
  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int colour_type() const { return png_get_color_type(png_, info_); }

  /// Of the pixels as they stand in the file, colours of a palette as colours.
  bool is_grey() const { return (colour_type() & PNG_COLOR_MASK_COLOR) == 0; }

  void read_header();

 private:
  const std::string& name_;
  Source source_;
  size_t encoded_bytes_;
  ErrorState errors_{};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

Reader::Reader(std::span<const std::byte> encoded, const std::string& name)
    : name_(name), source_{encoded.data(), encoded.size()}, encoded_bytes_(encoded.size()) {
  guarded(errors_, [this] {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, leave_with_message, ignore);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  });
  if (info_ == nullptr) {
    png_destroy_read_struct(&png_, nullptr, nullptr);
    throw std::bad_alloc();
  }
}

void Reader::read_header() {
  run([this] {
    // Texts, profiles and the like are not unpacked: they could be made to take more than the picture.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_pixels() says more
    png_set_chunk_malloc_max(png_, 8 << 20);
    png_set_read_fn(png_, &source_, read_bytes);
    png_read_info(png_, info_);
  });
  // Deflate packs 1,032 bytes into one at best, and a byte holds up to 8 pixels.
  constexpr int64_t pixels_a_byte = 8 * 1032;
  check_pixels(name_, "PNG", height(), width(), encoded_bytes_, pixels_a_byte);
}

}  // namespace

ImageInfo png_info(std::span<const std::byte> encoded, const std::string& name) {
  Reader reader(encoded, name);
  reader.read_header();
  return {.format = ImageFormat::png,
          .height = reader.height(),
          .width = reader.width(),
          .channels = reader.is_grey() ? 1 : 3};
}

void decode_png(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options,
                Image& image) {
  Reader reader(encoded, name);
  reader.read_header();
  png_structp png = reader.png();
  png_infop info = reader.info();
  const int colour_type = reader.colour_type();
  const bool as_grey = options.channels == 1 && reader.is_grey();
  reader.run([png, info, colour_type, as_grey] {
    if (colour_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if ((colour_type & PNG_COLOR_MASK_COLOR) == 0) png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    if (!as_grey) png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
  });

  image.height = reader.height();
  image.width = reader.width();
  image.channels = as_grey ? 1 : 3;
  image.pixels.resize(image.bytes());
  const auto stride = static_cast<size_t>(image.width * image.channels);
  if (png_get_rowbytes(png, info) != stride) fail(ExitCode::internal, name, ": libpng's rows have another length");
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.pixels.data() + y * stride;
  png_bytepp first = rows.data();
  reader.run([png, first] {
    png_read_image(png, first);
    png_read_end(png, nullptr);  // also looks for the end of the file
  });
  if (options.channels == 1 && !as_grey) to_grey(image);
}

namespace {

void append_bytes(png_structp png, png_bytep from, size_t bytes) {
  auto* out = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
  bool fits = true;
  try {
    out->insert(out->end(), reinterpret_cast<std::byte*>(from), reinterpret_cast<std::byte*>(from + bytes));
  } catch (const std::exception&) {
    fits = false;
  }
  if (!fits) png_error(png, "out of memory");
}

}  // namespace

std::vector<std::byte> encode_png(const Image& image) {
  check_image(image);
  std::vector<std::byte> out;
  ErrorState errors{};
  png_structp png = nullptr;
  png_infop info = nullptr;
  const bool written = guarded(errors, [&out, &errors, &png, &info, &image] {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, leave_with_message, ignore);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) return;
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_write_fn(png, &out, append_bytes, [](png_structp) {});
    png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                 image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    png_write_info(png, info);
    const auto stride = static_cast<size_t>(image.width * image.channels);
    for (int64_t y = 0; y < image.height; ++y)
      png_write_row(png, image.pixels.data() + static_cast<size_t>(y) * stride);
    png_write_end(png, info);
  });
  const bool started = info != nullptr;
  png_destroy_write_struct(&png, &info);
  if (!written || !started) {
    fail(ExitCode::internal, "libpng cannot encode a picture: ", started ? errors.message.data() : "out of memory");
  }
  return out;
}

}  // namespace convoy
