// Small files of every kind that the readers know, made by the writers that the tests have.
#include "tests/fuzz/seeds.hpp"

#include "tests/io/image/image_testing.hpp"
#include "tests/io/importers/idx_files.hpp"

namespace convoy::fuzz {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::vector<std::string> jpeg_seeds() {
  using Coding = JpegRecipe::Coding;
  const Image grey = made_up_picture(17, 21, 1), colour = made_up_picture(35, 18, 3), cmyk = made_up_picture(16, 16, 4);
  std::vector<std::string> seeds;
  for (const Coding coding : {Coding::sequential, Coding::progressive, Coding::arithmetic}) {
    seeds.push_back(text_of(make_jpeg(colour, {.quality = 60, .coding = coding})));
  }
  seeds.push_back(text_of(make_jpeg(colour, {.sampling = 1, .quality = 30, .restart_rows = 1})));
  seeds.push_back(text_of(make_jpeg(colour, {.stored = JCS_RGB, .sampling = 1, .quality = 50})));
  seeds.push_back(text_of(make_jpeg(grey, {.given = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .sampling = 1})));
  seeds.push_back(text_of(make_jpeg(cmyk, {.given = JCS_CMYK, .stored = JCS_CMYK, .sampling = 1, .quality = 40})));
  seeds.push_back(text_of(make_jpeg(cmyk, {.given = JCS_CMYK, .stored = JCS_YCCK, .sampling = 2, .quality = 40})));
  seeds.push_back(text_of(make_jpeg(grey, {.given = JCS_GRAYSCALE,
                                           .stored = JCS_GRAYSCALE,
                                           .sampling = 1,
                                           .markers = {{JPEG_APP0 + 1, "Exif"}, {JPEG_APP0 + 2, "ICC_PROFILE"}}})));
  return seeds;
}

std::vector<std::string> png_seeds() {
  std::vector<std::string> seeds;
  const auto add = [&](int samples, const PngRecipe& recipe) {
    std::vector<uint8_t> all(static_cast<size_t>(9 * 11 * samples * (recipe.depth == 16 ? 2 : 1)));
    for (size_t i = 0; i < all.size(); ++i) {
      all[i] = static_cast<uint8_t>(i * 29 & ((1u << std::min(recipe.depth, 8)) - 1));
    }
    seeds.push_back(text_of(make_png(9, 11, all, recipe)));
  };
  for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
    add(1, {.colour_type = PNG_COLOR_TYPE_GRAY, .depth = 2, .interlace = interlace});
    add(1, {.colour_type = PNG_COLOR_TYPE_GRAY, .depth = 16, .interlace = interlace});
    add(2, {.colour_type = PNG_COLOR_TYPE_GRAY_ALPHA, .interlace = interlace});
    add(3, {.interlace = interlace});
    add(4, {.colour_type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 16, .interlace = interlace});
    add(1, {.colour_type = PNG_COLOR_TYPE_PALETTE,
            .depth = 2,
            .interlace = interlace,
            .palette = {{1, 2, 3}, {250, 0, 9}, {7, 7, 7}, {0, 255, 0}},
            .transparent = {0, 100}});
  }
  return seeds;
}

std::vector<std::string> idx_seeds() {
  std::vector<std::string> seeds;
  for (const std::string& bytes : {idx_bytes({5}, "\1\2\3\4\5"), idx_bytes({2, 3, 4}, std::string(24, 'x')),
                                   idx_bytes({2, 2, 2, 3}, std::string(24, 'y')), idx_bytes({0}, "")}) {
    seeds.push_back(bytes);
    seeds.push_back(gzipped(bytes));
  }
  seeds.push_back(gzipped(idx_bytes({6}, "abc")) + gzipped("def"));  // two members
  return seeds;
}

std::vector<std::string> made_seeds(const std::string& target) {
  if (target == "jpeg") return jpeg_seeds();
  if (target == "png") return png_seeds();
  if (target == "idx") return idx_seeds();
  if (target == "hdf5") return hdf5_seeds();
  if (target == "tar") return tar_seeds();
  return {};
}

}  // namespace convoy::fuzz
