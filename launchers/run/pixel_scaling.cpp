// The keys mean and scale.
#include "launchers/run/pixel_scaling.hpp"

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/options/values.hpp"

namespace convoy {
namespace {

std::vector<float> per_channel(const char* key, const std::string& text, int64_t channels) {
  const auto values = parse_fractions(text);
  if (!values) {
    fail(ExitCode::usage, key, " ", text, ": expected a number, a fraction such as 1/255, one of them per channel ",
         "between commas, or dataset (mean: or image)");
  }
  if (values->size() != 1 && static_cast<int64_t>(values->size()) != channels) {
    fail(ExitCode::usage, key, " ", text, ": ", values->size(), " values for images of ", channels,
         " channels; give one, or one per channel");
  }
  std::vector<float> out;
  for (int64_t channel = 0; channel < channels; ++channel) {
    out.push_back(static_cast<float>((*values)[values->size() == 1 ? 0 : static_cast<size_t>(channel)]));
  }
  return out;
}

void require_statistics(const char* key, const std::vector<double>& stored, int64_t channels) {
  if (static_cast<int64_t>(stored.size()) == channels) return;
  fail(ExitCode::usage, key, " dataset: the dataset does not tell its mean and deviation; give numbers instead");
}

}  // namespace

PixelsSpec pixel_scaling(const std::string& mean, const std::string& scale, const ShardHeader& header) {
  const int64_t channels = header.image[2];
  PixelsSpec spec{.input = header.image, .dtype = header.dtype};
  if (mean == "image") {
    spec.dtype = DType::f32;
    spec.mean.assign(static_cast<size_t>(channels), 0);
  } else if (mean == "dataset") {
    require_statistics("mean", header.mean, channels);
    for (const double value : header.mean) spec.mean.push_back(static_cast<float>(value));
  } else {
    spec.mean = per_channel("mean", mean, channels);
  }
  if (scale == "dataset") {
    require_statistics("scale", header.deviation, channels);
    for (const double value : header.deviation) {
      if (!(value > 0)) fail(ExitCode::usage, "scale dataset: a channel's deviation is ", value, "; give a number");
      spec.scale.push_back(static_cast<float>(1.0 / value));
    }
  } else {
    spec.scale = per_channel("scale", scale, channels);
  }
  return spec;
}

MeanImage mean_image_of(const Dataset& dataset) {
  MeanImage mean{.shape = dataset.image(), .pixels = dataset.mean_image()};
  if (!mean.empty()) return mean;
  fail(ExitCode::usage, "mean image: ", dataset.folder(),
       " holds no mean picture, which needs raw images of one size; import it anew, or use mean = dataset");
}

void check_mean_image(const MeanImage& mean, const Dataset& dataset, const Augmentation& chain) {
  if (dataset.dtype() != DType::u8 || mean.shape != dataset.image()) {
    fail(ExitCode::usage, "mean image: it is ", mean.shape.text(), ", images of ", dataset.folder(), " are ",
         dataset.image().text(), " ", name_of(dataset.dtype()), "; import them alike, or use mean = dataset");
  }
  if (!chain.keeps_pixels()) {
    fail(ExitCode::usage, "mean image: '", chain.text(),
         "' resamples pictures, after which no pixel has its place in the mean picture; use mean = dataset");
  }
}

std::string channel_text(const std::vector<float>& values) {
  std::vector<std::string> parts;
  for (const float value : values) parts.push_back(number_text(value));
  return join(parts, ",");
}

}  // namespace convoy
