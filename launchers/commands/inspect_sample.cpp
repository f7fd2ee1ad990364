// See inspect_sample.hpp.
#include "launchers/commands/inspect_sample.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "io/atomic_file.hpp"
#include "io/image/encode.hpp"
#include "io/picture_source.hpp"
#include "io/sampler.hpp"
#include "launchers/run/run_plan.hpp"

namespace convoy {
namespace {

constexpr int64_t gap = 2;          // pixels between pictures
constexpr uint8_t gap_level = 128;  // and their grey level

/// Such words are no chain: in one only attributes hold a '/', as in ratio=3/4..4/3.
bool looks_like_a_file(const std::string& words) {
  return words.ends_with(".cfg") || words.substr(0, words.find('=')).find('/') != std::string::npos;
}

/// What of a recipe the pictures depend on; a chain stands for itself.
TrainOptions recipe_of(const std::string& augment) {
  TrainOptions options;
  if (augment.empty()) return options;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(augment, ignored)) {
    if (looks_like_a_file(augment)) {
      fail(ExitCode::usage, "convoy inspect: --augment ", augment,
           ": there is no such file; give a recipe's path, or transforms such as `random-crop 24, flip`");
    }
    options.augment = augment;
    return options;
  }
  OptionSet set = train_option_set(options);
  set.apply(set.read_recipe(augment));
  return options;
}

std::vector<Image> pictures_of(const Dataset& dataset, const TrainOptions& recipe, int64_t count) {
  const Augmentation chain("augment", recipe.augment);
  chain.output(dataset.image(), dataset.dtype());
  const auto seed = static_cast<uint64_t>(recipe.seed);
  const Sampler sampler(dataset.size(), seed, shuffle_of(recipe), blocks_of(recipe, dataset));
  PictureSource::Buffers buffers;
  std::vector<Image> pictures;
  for (int64_t position = 0; position < count; ++position) {
    const int64_t sample = sampler.sample(position);
    const int32_t label = dataset.read_sample(sample, buffers.sample, chain.least_side());
    Canvas canvas(buffers.sample.image, buffers.canvas);
    try {
      chain.apply(canvas, RandomStream(seed, RandomPurpose::augment, static_cast<uint64_t>(position)));
    } catch (const Error& error) {
      fail(error.code(), dataset.place_of(sample), ": ", error.what());
    }
    Image& picture = pictures.emplace_back();
    picture.height = canvas.size().height, picture.width = canvas.size().width, picture.channels = canvas.channels();
    picture.pixels.resize(picture.bytes());
    canvas.write(picture.pixels.data());
    const auto& classes = dataset.header().classes;
    const bool named = label >= 0 && static_cast<size_t>(label) < classes.size();
    std::printf("%lld: sample %lld, %s, %lldx%lld\n", static_cast<long long>(position), static_cast<long long>(sample),
                named ? classes[static_cast<size_t>(label)].c_str() : concat("class ", label).c_str(),
                static_cast<long long>(picture.height), static_cast<long long>(picture.width));
  }
  return pictures;
}

/// Row by row, as square as it gets; every picture in the top left corner of its cell.
Image grid_of(const std::vector<Image>& pictures) {
  const auto count = static_cast<int64_t>(pictures.size());
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const int64_t rows = (count + columns - 1) / columns;
  int64_t height = 0, width = 0;
  for (const Image& picture : pictures) {
    height = std::max(height, picture.height);
    width = std::max(width, picture.width);
  }
  Image grid{.height = rows * (height + gap) - gap,
             .width = columns * (width + gap) - gap,
             .channels = pictures.front().channels};
  grid.pixels.assign(grid.bytes(), gap_level);
  for (int64_t i = 0; i < count; ++i) {
    const Image& picture = pictures[static_cast<size_t>(i)];
    const int64_t top = i / columns * (height + gap), left = i % columns * (width + gap);
    for (int64_t y = 0; y < picture.height; ++y) {
      std::copy_n(picture.pixels.begin() + y * picture.width * picture.channels, picture.width * picture.channels,
                  grid.pixels.begin() + ((top + y) * grid.width + left) * grid.channels);
    }
  }
  return grid;
}

}  // namespace

int inspect_sample(const std::string& folder, const InspectSample& options) {
  if (options.out.empty()) fail(ExitCode::usage, "convoy inspect: --sample needs --out FILE.png, the picture to write");
  const Dataset dataset(folder);
  if (dataset.dtype() != DType::u8 || (dataset.image()[2] != 1 && dataset.image()[2] != 3)) {
    fail(ExitCode::usage, folder, ": images are ", name_of(dataset.dtype()), " of ", dataset.image()[2],
         " channels, which no PNG holds; --sample shows grey or RGB images of uint8");
  }
  const TrainOptions recipe = recipe_of(options.augment);
  const Image grid = grid_of(pictures_of(dataset, recipe, options.count));
  const std::vector<std::byte> png = encode_png(grid);
  write_file(options.out, std::string(reinterpret_cast<const char*>(png.data()), png.size()));
  std::printf("%s: %lld pictures, augment %s, seed %lld\n", options.out.c_str(), static_cast<long long>(options.count),
              recipe.augment.c_str(), static_cast<long long>(recipe.seed));
  return static_cast<int>(ExitCode::ok);
}

}  // namespace convoy
