// Concatenation along the channels on a GPU. A single input is copied as it is: nothing lies between its pixels.
#include "core/ops/concat.hpp"
#include "core/ops/packs_cuda.hpp"

namespace convoy {
namespace {

constexpr int most_inputs = 8;  // of one launch

/// Inputs that follow one another in y.
struct Inputs {
  const float* x[most_inputs];
  int32_t first[most_inputs];  // channel of the launch
  int32_t channels[most_inputs];
  int count;
};

/// y: the first input's first channel of the first pixel. `pixel_packs` divides by the packs of all inputs.
template <int width>
__global__ void forward_kernel(Inputs inputs, cuda::FastDivision pixel_packs, uint32_t packs, int32_t all, float* y) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const uint32_t pixel = pixel_packs.quotient(i);
    const int32_t channel = static_cast<int32_t>(i - pixel * pixel_packs.divisor()) * width;
    int which = 0;
    while (which + 1 < inputs.count && channel >= inputs.first[which + 1]) ++which;
    const float* from = inputs.x[which] + int64_t{pixel} * inputs.channels[which] + (channel - inputs.first[which]);
    cuda::store(y + int64_t{pixel} * all + channel, cuda::load<width>(from));
  }
}

template <int width>
__global__ void backward_kernel(cuda::FastDivision pixel_packs, uint32_t packs, int32_t all,
                                const float* __restrict__ share, float* __restrict__ dx, bool adds) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const uint32_t pixel = pixel_packs.quotient(i), channel = (i - pixel * pixel_packs.divisor()) * width;
    cuda::store(dx + int64_t{i} * width, cuda::load<width>(share + int64_t{pixel} * all + channel), adds);
  }
}

class CudaConcat final : public Concat {
 public:
  CudaConcat(const Device& device, const ConcatSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)), channels_(spec.channels), pixels_(spec.pixels * options.batch) {
    for (const int64_t channels : channels_) {
      first_.push_back(all_);
      all_ += channels;
    }
  }

  void forward(const OpContext&, std::span<const float* const> x, float* y) override {
    if (x.size() == 1) {
      cuda::copy_or_add(stream_, pixels_ * all_, x[0], y, false);
      return;
    }
    for (size_t begin = 0; begin < x.size(); begin += most_inputs) {
      forward_some(x.subspan(begin, std::min<size_t>(most_inputs, x.size() - begin)), begin, y + first_[begin]);
    }
  }

  void backward(const OpContext&, const float* dy, size_t input, float* dx, Write write) override {
    const bool adds = write == Write::accumulate;
    const int64_t channels = channels_[input];
    const float* share = dy + first_[input];
    if (channels == all_) {
      cuda::copy_or_add(stream_, pixels_ * all_, share, dx, adds);
      return;
    }
    const int width = channels % 4 == 0 && all_ % 4 == 0 && cuda::packs_fit(share, dx) ? 4 : 1;
    const int64_t pixel_packs = channels / width;
    cuda::for_parts(pixels_, pixel_packs, [&](int64_t first, int64_t pixels) {
      const auto packs = static_cast<uint32_t>(pixels * pixel_packs);
      cuda::launch(stream_, cuda::blocks_for(packs), cuda::block_threads,
                   width == 4 ? backward_kernel<4> : backward_kernel<1>, cuda::FastDivision(pixel_packs), packs,
                   static_cast<int32_t>(all_), share + first * all_, dx + first * channels, adds);
    });
  }

 private:
  /// Inputs from number `begin` on, into y, where the first of them begins.
  void forward_some(std::span<const float* const> x, size_t begin, float* y) const {
    int64_t together = 0;
    bool packed = all_ % 4 == 0 && cuda::packs_fit(y);
    for (size_t i = 0; i < x.size(); ++i) {
      together += channels_[begin + i];
      packed = packed && channels_[begin + i] % 4 == 0 && cuda::packs_fit(x[i]);
    }
    const int64_t pixel_packs = packed ? together / 4 : together;
    cuda::for_parts(pixels_, pixel_packs, [&](int64_t first, int64_t pixels) {
      const auto packs = static_cast<uint32_t>(pixels * pixel_packs);
      Inputs inputs{{}, {}, {}, static_cast<int>(x.size())};
      for (size_t i = 0; i < x.size(); ++i) {
        inputs.x[i] = x[i] + first * channels_[begin + i];
        inputs.first[i] = static_cast<int32_t>(first_[begin + i] - first_[begin]);
        inputs.channels[i] = static_cast<int32_t>(channels_[begin + i]);
      }
      cuda::launch(stream_, cuda::blocks_for(packs), cuda::block_threads,
                   packed ? forward_kernel<4> : forward_kernel<1>, inputs, cuda::FastDivision(pixel_packs), packs,
                   static_cast<int32_t>(all_), y + first * all_);
    });
  }

  cudaStream_t stream_;
  const std::vector<int64_t> channels_;
  std::vector<int64_t> first_;  // channel of y of each input
  int64_t all_ = 0;             // channels of y
  const int64_t pixels_;        // of the whole batch
};

}  // namespace

std::unique_ptr<Concat> make_concat_cuda(Device& device, const ConcatSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaConcat>(device, spec, options);
}

}  // namespace convoy
