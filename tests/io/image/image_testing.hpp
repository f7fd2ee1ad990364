// Pictures for the tests: made-up pixels, and JPEG and PNG files of every kind, made with libjpeg and libpng.
#pragma once

#include <cstdio>
// jpeglib.h needs FILE from above.
#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/image/image.hpp"

namespace convoy {

/// Soft waves, different in every channel, with one hard edge.
inline Image made_up_picture(int64_t height, int64_t width, int64_t channels) {
  Image image{.height = height, .width = width, .channels = channels, .pixels = {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        const double wave = std::sin(0.07 * double(x) * double(c + 1)) + std::cos(0.05 * double(y) + double(c));
        image.pixels.push_back(uint8_t(127 + 50 * wave + (x > width / 2 ? 20 : 0)));
      }
    }
  }
  return image;
}

inline double mean_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size() || a.empty()) return 256;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(int{a[i]} - int{b[i]});
  return sum / double(a.size());
}

inline std::vector<std::byte> as_bytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

struct JpegRecipe {
  J_COLOR_SPACE given = JCS_RGB, stored = JCS_YCbCr;
  int sampling = 2;  // of the first component, both ways
  int quality = 95;
  int restart_rows = 0;
  enum class Coding { sequential, progressive, arithmetic } coding = Coding::sequential;
  std::vector<std::pair<int, std::string>> markers;  // APPn and their contents
  const jpeg_scan_info* scans = nullptr;
  int scan_count = 0;
  bool jfif = true, adobe = true;  // the markers that libjpeg writes by itself
};

/// image.channels is the number of components; CMYK (4) as it is to stand in the file.
inline std::vector<std::byte> make_jpeg(const Image& image, const JpegRecipe& recipe = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);  // ends the program, with a message
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long count = 0;  // NOLINT: libjpeg's type
  jpeg_mem_dest(&info, &bytes, &count);
  info.image_height = JDIMENSION(image.height);
  info.image_width = JDIMENSION(image.width);
  info.input_components = int(image.channels);
  info.in_color_space = recipe.given;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, recipe.stored);
  jpeg_set_quality(&info, recipe.quality, TRUE);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = recipe.sampling;
  info.restart_in_rows = recipe.restart_rows;
  if (recipe.coding == JpegRecipe::Coding::progressive) jpeg_simple_progression(&info);
  if (recipe.coding == JpegRecipe::Coding::arithmetic) info.arith_code = TRUE;
  if (recipe.scans != nullptr) {
    info.scan_info = recipe.scans;
    info.num_scans = recipe.scan_count;
  }
  if (!recipe.jfif) info.write_JFIF_header = FALSE;
  if (!recipe.adobe) info.write_Adobe_marker = FALSE;
  jpeg_start_compress(&info, TRUE);
  for (const auto& [marker, content] : recipe.markers) {
    jpeg_write_marker(&info, marker, reinterpret_cast<const JOCTET*>(content.data()), unsigned(content.size()));
  }
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(image.pixels.data() + int64_t{info.next_scanline} * image.width * image.channels);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::vector<std::byte> out(count);
  std::memcpy(out.data(), bytes, count);
  std::free(bytes);
  return out;
}

struct PngRecipe {
  int colour_type = PNG_COLOR_TYPE_RGB;
  int depth = 8;
  int interlace = PNG_INTERLACE_NONE;
  std::vector<png_color> palette;
  std::vector<uint8_t> transparent;  // of the palette's entries
};

/// `samples`: one byte a sample (two, big-endian, at 16 bits), packed here where the depth is below 8.
inline std::vector<std::byte> make_png(int64_t height, int64_t width, std::vector<uint8_t> samples,
                                       const PngRecipe& recipe) {
  std::vector<std::byte> out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  const auto append = [](png_structp writer, png_bytep from, size_t count) {
    auto* to = static_cast<std::vector<std::byte>*>(png_get_io_ptr(writer));
    const auto* begin = reinterpret_cast<const std::byte*>(from);
    to->insert(to->end(), begin, begin + count);
  };
  png_set_write_fn(png, &out, append, nullptr);
  png_set_IHDR(png, info, png_uint_32(width), png_uint_32(height), recipe.depth, recipe.colour_type, recipe.interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!recipe.palette.empty()) png_set_PLTE(png, info, recipe.palette.data(), int(recipe.palette.size()));
  if (!recipe.transparent.empty()) {
    png_set_tRNS(png, info, recipe.transparent.data(), int(recipe.transparent.size()), nullptr);
  }
  png_write_info(png, info);
  if (recipe.depth < 8) png_set_packing(png);
  const size_t stride = samples.size() / size_t(height);
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < height; ++y) rows.push_back(samples.data() + size_t(y) * stride);
  png_write_image(png, rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

/// Writes the checksums of a PNG's chunks anew, without which libpng looks at little else that was changed.
inline void repair_png(uint8_t* data, size_t size) {
  const auto number = [&](size_t at) {
    return uint32_t{data[at]} << 24 | uint32_t{data[at + 1]} << 16 | uint32_t{data[at + 2]} << 8 |
           uint32_t{data[at + 3]};
  };
  for (size_t at = 8; at + 12 <= size;) {
    const size_t length = number(at);
    if (length > size - at - 12) return;
    const auto sum = uint32_t(crc32(0, data + at + 4, uInt(length + 4)));
    for (size_t i = 0; i < 4; ++i) data[at + 8 + length + i] = uint8_t(sum >> (24 - 8 * i));
    at += length + 12;
  }
}

/// Where `what` first stands.
inline size_t find_bytes(const std::vector<std::byte>& bytes, std::string_view what) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).find(what);
}

inline std::vector<std::byte> with_inserted(std::vector<std::byte> bytes, size_t at, std::string_view what) {
  const auto added = as_bytes(what);
  bytes.insert(bytes.begin() + std::ptrdiff_t(at), added.begin(), added.end());
  return bytes;
}

}  // namespace convoy
