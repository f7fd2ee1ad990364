// Tells by the first bytes what a file is, and what it is taken for where it is no picture.
#include "io/image/decode.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "core/base/error.hpp"
#include "io/image/checks.hpp"
#include "io/image/jpeg.hpp"
#include "io/image/png.hpp"

namespace convoy {
namespace {

using namespace std::literals;

struct Signature {
  size_t offset;
  std::string_view bytes;
  const char* what;
};

// What stands in image folders under the names of pictures.
constexpr Signature others[] = {
    {0, "\x89PNG"sv, "a PNG file changed on its way, as by a transfer in text mode"},
    {0, "GIF8"sv, "a GIF file"},
    {8, "WEBP"sv, "a WebP file"},
    {0, "BM"sv, "a BMP file"},
    {0, "II*\0"sv, "a TIFF file"},
    {0, "MM\0*"sv, "a TIFF file"},
    {4, "ftypavif"sv, "an AVIF file"},
    {4, "ftyphei"sv, "a HEIF file"},
    {0, "\0\0\0\x0CjP  "sv, "a JPEG 2000 file"},
    {0, "\x1F\x8B"sv, "gzipped"},
    {0, "PK\x03\x04"sv, "a ZIP archive"},
    {0, "%PDF"sv, "a PDF file"},
    {0, "\x89HDF"sv, "an HDF5 file"},
    {257, "ustar"sv, "a tar archive"},
    {0, "version https://git-lfs"sv, "a Git LFS pointer to a file that was not fetched"},
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_text(std::string_view bytes) {
  return std::ranges::all_of(bytes.substr(0, 256), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || byte == '\n' || byte == '\r' || byte == '\t';
  });
}

std::string looks_like(std::span<const std::byte> encoded) {
  const std::string_view bytes = text_of(encoded);
  if (bytes.empty()) return "empty (0 bytes)";
  for (const Signature& other : others) {
    if (bytes.size() > other.offset && bytes.substr(other.offset).starts_with(other.bytes)) return other.what;
  }
  const size_t begin = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (begin != std::string_view::npos && bytes[begin] == '<') {
    std::string start(bytes.substr(begin, 512));
    std::ranges::transform(start, start.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (start.starts_with("<!doctype html") || start.find("<html") != std::string::npos) return "an HTML page";
    if (start.find("<svg") != std::string::npos) return "an SVG drawing";
    return "XML";
  }
  if (std::ranges::all_of(bytes, [](char c) { return c == '\0'; })) return "nothing but zero bytes";
  if (is_text(bytes)) return "text";
  std::string hex = "a file that starts with 0x";
  for (const char c : bytes.substr(0, 4)) {
    std::array<char, 3> digits;
    std::snprintf(digits.data(), digits.size(), "%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    hex += digits.data();
  }
  return hex;
}

ImageFormat format_of(std::span<const std::byte> encoded, const std::string& name) {
  const std::string_view bytes = text_of(encoded);
  if (bytes.starts_with("\xFF\xD8"sv)) return ImageFormat::jpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n"sv)) return ImageFormat::png;
  fail(ExitCode::data, name, ": is no JPEG or PNG picture but ", looks_like(encoded),
       "; convert it to one of these, or leave it out");
}

}  // namespace

void fail_damaged(const std::string& name, std::string_view format, std::string_view reason) {
  fail(ExitCode::data, name, ": is a damaged ", format, " file (", reason, "); fetch it again, or leave it out");
}

void check_pixels(const std::string& name, std::string_view format, int64_t height, int64_t width,
                  uint64_t encoded_bytes, int64_t pixels_a_byte) {
  const int64_t pixels = height * width;  // both below 2^31
  if (pixels > largest_picture || std::max(height, width) > longest_side) {
    fail(ExitCode::data, name, ": is ", width, "x", height,
         " pixels; up to 2^28 are read, and up to 2^20 along a side; make it smaller, or leave it out");
  }
  if (static_cast<uint64_t>(pixels / pixels_a_byte) > encoded_bytes) {
    fail_damaged(name, format, concat("its ", encoded_bytes, " bytes cannot hold ", width, "x", height, " pixels"));
  }
}

void to_grey(Image& image) {
  const auto count = static_cast<size_t>(image.height * image.width);
  uint8_t* pixels = image.pixels.data();
  for (size_t i = 0; i < count; ++i) pixels[i] = luma(pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]);
  image.channels = 1;
  image.pixels.resize(count);
}

void check_image(const Image& image) {
  if (image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3) ||
      image.pixels.size() != image.bytes()) {
    fail(ExitCode::internal, "a picture of ", image.height, "x", image.width, "x", image.channels, " with ",
         image.pixels.size(), " bytes");
  }
}

ImageInfo image_info(std::span<const std::byte> encoded, const std::string& name) {
  return format_of(encoded, name) == ImageFormat::jpeg ? jpeg_info(encoded, name) : png_info(encoded, name);
}

void decode_image(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options,
                  Image& image) {
  if (options.channels != 1 && options.channels != 3) {
    fail(ExitCode::internal, name, ": ", options.channels, " channels asked of a decoder");
  }
  if (format_of(encoded, name) == ImageFormat::jpeg) {
    decode_jpeg(encoded, name, options, image);
  } else {
    decode_png(encoded, name, options, image);
  }
}

}  // namespace convoy
