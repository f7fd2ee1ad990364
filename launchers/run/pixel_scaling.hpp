// The keys mean and scale: x = (pixel - mean) * scale, per channel.
#pragma once

#include <string>
#include <vector>

#include "core/ops/pixels.hpp"
#include "io/dataset.hpp"

namespace convoy {

/// The pixels of `dataset` as the two keys say: one number, one per channel, or "dataset". Throws Error(usage).
PixelsSpec pixel_scaling(const std::string& mean, const std::string& scale, const ShardHeader& header);

/// Values as they are kept in checkpoints: read back by pixel_scaling, they give the same floats.
std::string channel_text(const std::vector<float>& values);

}  // namespace convoy
