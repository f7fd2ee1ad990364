// Stored pixels to fp32 on the CPU.
#include <algorithm>
#include <vector>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/pixels.hpp"

namespace convoy {
namespace {

CONVOY_ISA_CLONES void convert_bytes(int64_t n, const uint8_t* pixels, const float* mean, const float* scale,
                                     float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = (static_cast<float>(pixels[i]) - mean[i]) * scale[i];
}

CONVOY_ISA_CLONES void convert_floats(int64_t n, const float* pixels, const float* mean, const float* scale,
                                      float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = (pixels[i] - mean[i]) * scale[i];
}

class CpuPixels final : public Pixels {
 public:
  CpuPixels(const PixelsSpec& spec, const OpOptions& options)
      : dtype_(spec.dtype), count_(spec.input.count() * options.batch), threads_(options.threads) {
    const size_t channels = spec.mean.size();
    // The channels' values are written out again and again, so that the loops run over one long block.
    for (size_t i = 0; i < 512 / channels + 1; ++i) {
      mean_.insert(mean_.end(), spec.mean.begin(), spec.mean.end());
      scale_.insert(scale_.end(), spec.scale.begin(), spec.scale.end());
    }
  }

  void forward(const OpContext&, const void* pixels, float* y) override {
    const TeamThreads threads(threads_);
    const int64_t block = static_cast<int64_t>(mean_.size());
    const int64_t blocks = (count_ + block - 1) / block;
    parallel_for(blocks, cpu::elementwise_grain / block + 1, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin * block; at < std::min(end * block, count_); at += block) {
        const int64_t n = std::min(block, count_ - at);
        if (dtype_ == DType::u8) {
          convert_bytes(n, static_cast<const uint8_t*>(pixels) + at, mean_.data(), scale_.data(), y + at);
        } else {
          convert_floats(n, static_cast<const float*>(pixels) + at, mean_.data(), scale_.data(), y + at);
        }
      }
    });
  }

 private:
  DType dtype_;
  int64_t count_;
  int threads_;
  std::vector<float> mean_, scale_;  // one block of pixels, starting with channel 0
};

}  // namespace

std::unique_ptr<Pixels> make_pixels_cpu(Device&, const PixelsSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuPixels>(spec, options);
}

}  // namespace convoy
