// The keys mean and scale: x = (pixel - mean) * scale, per channel.
#pragma once

#include <string>
#include <vector>

#include "core/ops/pixels.hpp"
#include "io/picture_source.hpp"

namespace convoy {

/// The pixels of `dataset` as the two keys say: one number, one per channel, or "dataset"; mean also "image": pixels
/// are fp32 then, the mean picture was taken off already. Throws Error(usage).
PixelsSpec pixel_scaling(const std::string& mean, const std::string& scale, const ShardHeader& header);

/// The dataset's mean picture. Throws Error(usage) where it has none.
MeanImage mean_image_of(const Dataset& dataset);

/// Throws Error(usage) unless the mean picture can be taken off pictures of `dataset` that go through `chain`.
void check_mean_image(const MeanImage& mean, const Dataset& dataset, const Augmentation& chain);

/// Values as they are kept in checkpoints: read back by pixel_scaling, they give the same floats.
std::string channel_text(const std::vector<float>& values);

}  // namespace convoy
