// JPEG by libjpeg-turbo's classic interface.
//
// libjpeg leaves by longjmp. Every call to it is therefore made inside guarded(), whose step has no object with a
// destructor; what does have one lives outside. A warning that means lost pixels is an error here.
#include "io/image/jpeg.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <memory>

// jpeglib.h needs size_t and FILE from above.
#include <jerror.h>
#include <jpeglib.h>

#include "core/base/error.hpp"
#include "io/image/checks.hpp"
#include "io/image/encode.hpp"

namespace convoy {
namespace {

struct ErrorState {
  jpeg_error_mgr manager;  // first, so that a pointer to it is a pointer to all
  std::jmp_buf leave;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void leave_with_message(j_common_ptr info) {
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  info->err->format_message(info, state->message.data());
  std::longjmp(state->leave, 1);
}

/// Oddities after which every pixel is still the one that was written. All other warnings are lost data, although
/// libjpeg goes on and fills in grey.
bool is_harmless(int warning) {
  return warning == JWRN_ADOBE_XFORM || warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_JFIF_MAJOR ||
         warning == JWRN_NOT_SEQUENTIAL || warning == JWRN_BOGUS_ICC;
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info->err->msg_code)) leave_with_message(info);
}

jpeg_error_mgr* errors_into(ErrorState& state) {
  jpeg_std_error(&state.manager);
  state.manager.error_exit = leave_with_message;
  state.manager.emit_message = on_message;
  state.manager.output_message = [](j_common_ptr) {};
  state.message[0] = '\0';
  return &state.manager;
}

/// Whether `step` ended by itself; else state.message says why not.
template <typename Step>
bool guarded(ErrorState& state, const Step& step) {
  if (setjmp(state.leave) != 0) return false;
  step();
  return true;
}

class Decompressor {
 public:
  Decompressor(std::span<const std::byte> encoded, const std::string& name);
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&info_); }

  template <typename Step>
  void run(const Step& step) {
    if (!guarded(errors_, step)) fail_damaged(name_, "JPEG", concat("libjpeg: ", errors_.message.data()));
  }
  jpeg_decompress_struct& info() { return info_; }

 private:
  static void on_progress(j_common_ptr info);

  const std::string& name_;
  ErrorState errors_;
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
};

/// A file may pass over its picture as often as it likes (progressive scans): what libjpeg does for one byte of the
/// file has no bound of its own. Encoders make about 10 scans.
int most_scans(const jpeg_decompress_struct& info) {
  const int64_t pixels = int64_t{info.image_height} * info.image_width;
  return static_cast<int>(std::clamp<int64_t>((int64_t{1} << 32) / pixels, 32, 500));
}

void Decompressor::on_progress(j_common_ptr common) {
  auto* info = reinterpret_cast<j_decompress_ptr>(common);
  if (info->input_scan_number <= most_scans(*info)) return;
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  std::snprintf(state->message.data(), state->message.size(), "more than %d scans of the picture", most_scans(*info));
  std::longjmp(state->leave, 1);
}

/// Leaves with the header read and the size checked.
Decompressor::Decompressor(std::span<const std::byte> encoded, const std::string& name) : name_(name) {
  info_.err = errors_into(errors_);
  const auto* bytes = reinterpret_cast<const unsigned char*>(encoded.data());
  const size_t count = encoded.size();
  // A constructor that throws has no destructor to free what libjpeg holds.
  const bool read = guarded(errors_, [this, bytes, count] {
    jpeg_create_decompress(&info_);
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes, count);
    jpeg_read_header(&info_, TRUE);
  });
  try {
    if (!read) fail_damaged(name, "JPEG", concat("libjpeg: ", errors_.message.data()));
    // At least one bit for a block of the least detailed component, 32x32 pixels at most; arithmetic coding has no
    // least.
    const int64_t pixels_a_byte = info_.arith_code ? largest_picture : 8 * 32 * 32;
    check_pixels(name, "JPEG", info_.image_height, info_.image_width, count, pixels_a_byte);
  } catch (...) {
    jpeg_destroy_decompress(&info_);
    throw;
  }
}

/// The largest of 1, 2, 4, 8 by which the picture may shrink; see DecodeOptions::least_side.
unsigned reduction(const jpeg_decompress_struct& info, int64_t least_side) {
  const int64_t shorter = std::min(info.image_height, info.image_width);
  unsigned denominator = 8;
  const auto allowed = [&] {
    return least_side > 0 && shorter >= 2 * least_side * denominator && info.image_height % denominator == 0 &&
           info.image_width % denominator == 0;
  };
  while (denominator > 1 && !allowed()) denominator /= 2;
  return denominator;
}

/// One row of CMYK as Adobe writes it (inverted, which everybody else does too) to RGB, with Pillow's arithmetic.
void cmyk_to_rgb(const uint8_t* from, int64_t width, uint8_t* to) {
  for (int64_t x = 0; x < width; ++x, from += 4, to += 3) {
    const uint32_t black = from[3];
    for (int c = 0; c < 3; ++c) {
      const uint32_t product = (255u - from[c]) * black + 128;
      to[c] = static_cast<uint8_t>(black - (((product >> 8) + product) >> 8));
    }
  }
}

void read_rows(Decompressor& jpeg, Image& image) {
  jpeg_decompress_struct& info = jpeg.info();
  uint8_t* pixels = image.pixels.data();
  const auto stride = static_cast<size_t>(image.width * image.channels);
  jpeg.run([&info, pixels, stride] {
    std::array<JSAMPROW, 8> rows;
    while (info.output_scanline < info.output_height) {
      const JDIMENSION left = std::min<JDIMENSION>(rows.size(), info.output_height - info.output_scanline);
      for (JDIMENSION i = 0; i < left; ++i) rows[i] = pixels + (info.output_scanline + i) * stride;
      jpeg_read_scanlines(&info, rows.data(), left);
    }
    jpeg_finish_decompress(&info);  // also looks for the end of the file
  });
}

void read_cmyk_rows(Decompressor& jpeg, Image& image) {
  jpeg_decompress_struct& info = jpeg.info();
  uint8_t* to = image.pixels.data();
  const int64_t width = image.width;
  std::vector<uint8_t> row(static_cast<size_t>(4 * width));
  uint8_t* from = row.data();
  jpeg.run([&info, from, to, width] {
    JSAMPROW rows = from;
    while (info.output_scanline < info.output_height) {
      uint8_t* line = to + 3 * width * info.output_scanline;
      if (jpeg_read_scanlines(&info, &rows, 1) == 1) cmyk_to_rgb(from, width, line);
    }
    jpeg_finish_decompress(&info);
  });
}

}  // namespace

ImageInfo jpeg_info(std::span<const std::byte> encoded, const std::string& name) {
  Decompressor jpeg(encoded, name);
  const jpeg_decompress_struct& info = jpeg.info();
  return {.format = ImageFormat::jpeg,
          .height = info.image_height,
          .width = info.image_width,
          .channels = info.num_components == 1 ? 1 : 3};
}

void decode_jpeg(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options,
                 Image& image) {
  Decompressor jpeg(encoded, name);
  jpeg_decompress_struct& info = jpeg.info();
  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = cmyk ? JCS_CMYK : options.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.scale_num = 1;
  info.scale_denom = reduction(info, options.least_side);
  jpeg.run([&info] { jpeg_start_decompress(&info); });

  image.height = info.output_height;
  image.width = info.output_width;
  image.channels = cmyk ? 3 : options.channels;
  image.pixels.resize(image.bytes());
  if (cmyk) {
    read_cmyk_rows(jpeg, image);
    if (options.channels == 1) to_grey(image);
  } else {
    read_rows(jpeg, image);
  }
}

namespace {

/// Writes into memory of a fixed size.
struct Destination {
  jpeg_destination_mgr manager;  // first
  uint8_t* begin;
  size_t bytes;
};

void write_into(Destination& destination, uint8_t* begin, size_t bytes) {
  destination.begin = begin;
  destination.bytes = bytes;
  destination.manager.init_destination = [](j_compress_ptr info) {
    auto* to = reinterpret_cast<Destination*>(info->dest);
    to->manager.next_output_byte = to->begin;
    to->manager.free_in_buffer = to->bytes;
  };
  destination.manager.empty_output_buffer = [](j_compress_ptr info) -> boolean {
    ERREXIT(info, JERR_BUFFER_SIZE);
    return FALSE;
  };
  destination.manager.term_destination = [](j_compress_ptr) {};
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  check_image(image);
  if (quality < 1 || quality > 100) fail(ExitCode::internal, "a JPEG quality of ", quality);
  if (std::max(image.height, image.width) > JPEG_MAX_DIMENSION) {
    fail(ExitCode::data, "a picture of ", image.width, "x", image.height,
         " pixels is too long for JPEG, which ends at ", JPEG_MAX_DIMENSION, "; make it smaller, or keep it as pixels");
  }
  // libjpeg-turbo's bound (tjBufSize) is 3 bytes a pixel and 2,048.
  const auto most = static_cast<size_t>((image.height + 15) * (image.width + 15) * 4 + 4096);
  const auto buffer = std::make_unique_for_overwrite<uint8_t[]>(most);
  ErrorState errors;
  Destination destination{};
  write_into(destination, buffer.get(), most);
  jpeg_compress_struct info{};
  info.err = errors_into(errors);
  const bool written = guarded(errors, [&info, &destination, &image, quality] {
    jpeg_create_compress(&info);
    info.dest = &destination.manager;
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.input_components = static_cast<int>(image.channels);
    info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    const auto stride = static_cast<size_t>(image.width * image.channels);
    while (info.next_scanline < info.image_height) {
      auto* row = const_cast<JSAMPROW>(image.pixels.data() + info.next_scanline * stride);
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
  });
  jpeg_destroy_compress(&info);
  if (!written) fail(ExitCode::internal, "libjpeg cannot encode a picture: ", errors.message.data());
  const auto* bytes = reinterpret_cast<const std::byte*>(buffer.get());
  return {bytes, bytes + (most - destination.manager.free_in_buffer)};
}

}  // namespace convoy
