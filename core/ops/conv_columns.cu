// One thread for each element of what is written, or for four neighbouring channels.
#include "core/ops/conv_columns.hpp"

#include "core/device/fast_division.hpp"

namespace convoy {
namespace {

using cuda::FastDivision;

/// A convolution as kernels need it. Channels and what is made of them count in elements of `Vector` floats.
struct Geometry {
  Geometry(const ConvSpec& spec, int64_t vector)
      : height(static_cast<int>(spec.input[0])),
        width(static_cast<int>(spec.input[1])),
        p(static_cast<int>(spec.output()[0])),
        q(static_cast<int>(spec.output()[1])),
        r(static_cast<int>(spec.kernel.h)),
        s(static_cast<int>(spec.kernel.w)),
        stride_h(static_cast<int>(spec.stride.h)),
        stride_w(static_cast<int>(spec.stride.w)),
        dilation_h(static_cast<int>(spec.dilation.h)),
        dilation_w(static_cast<int>(spec.dilation.w)),
        top(static_cast<int>(spec.padding.top)),
        left(static_cast<int>(spec.padding.left)),
        channels(spec.input[2] / vector),
        group_channels(spec.input[2] / spec.groups / vector),
        groups(spec.groups),
        kernel_h(r),
        kernel_w(s),
        output_h(p),
        output_w(q),
        input_h(height),
        input_w(width),
        by_stride_h(stride_h),
        by_stride_w(stride_w) {}

  int height, width, p, q, r, s, stride_h, stride_w, dilation_h, dilation_w, top, left;
  FastDivision channels, group_channels, groups, kernel_h, kernel_w, output_h, output_w, input_h, input_w;
  FastDivision by_stride_h, by_stride_w;
};

__device__ void add(float& sum, float value) {
  sum += value;
}
__device__ void add(float4& sum, const float4& value) {
  sum.x += value.x, sum.y += value.y, sum.z += value.z, sum.w += value.w;
}

template <typename Element>
void gather(cudaStream_t stream, const Geometry& g, int64_t count, const Element* x, Element* columns) {
  cuda::for_each(stream, count, [=] __device__(int64_t i) {
    auto rest = static_cast<uint32_t>(i);
    const uint32_t channel = g.group_channels.split(rest);
    const auto s = static_cast<int>(g.kernel_w.split(rest)), r = static_cast<int>(g.kernel_h.split(rest));
    const uint32_t group = g.groups.split(rest);
    const auto q = static_cast<int>(g.output_w.split(rest)), p = static_cast<int>(g.output_h.split(rest));
    const int h = p * g.stride_h - g.top + r * g.dilation_h, w = q * g.stride_w - g.left + s * g.dilation_w;
    Element value{};
    if (h >= 0 && h < g.height && w >= 0 && w < g.width) {
      const uint32_t pixel =
          (rest * static_cast<uint32_t>(g.height) + static_cast<uint32_t>(h)) * static_cast<uint32_t>(g.width) +
          static_cast<uint32_t>(w);
      value = x[pixel * g.channels.divisor() + group * g.group_channels.divisor() + channel];
    }
    columns[i] = value;
  });
}

/// The output row that a kernel's row lies on when it touches `place`, counted from the padding's border; -1 if none.
__device__ int output_at(int place, const FastDivision& stride, int outputs) {
  if (place < 0) return -1;
  auto at = static_cast<uint32_t>(place);
  const uint32_t beside = stride.split(at);
  return beside == 0 && static_cast<int>(at) < outputs ? static_cast<int>(at) : -1;
}

template <typename Element>
void add_up(cudaStream_t stream, const Geometry& g, int64_t count, const Element* columns, Element* dx, bool adds) {
  cuda::for_each(stream, count, [=] __device__(int64_t i) {
    auto rest = static_cast<uint32_t>(i);
    uint32_t group = g.channels.split(rest);
    const uint32_t channel = g.group_channels.split(group);
    const auto w = static_cast<int>(g.input_w.split(rest)), h = static_cast<int>(g.input_h.split(rest));
    Element sum{};
    for (int r = 0; r < g.r; ++r) {
      const int p = output_at(h + g.top - r * g.dilation_h, g.by_stride_h, g.p);
      if (p < 0) continue;
      for (int s = 0; s < g.s; ++s) {
        const int q = output_at(w + g.left - s * g.dilation_w, g.by_stride_w, g.q);
        if (q < 0) continue;
        const uint32_t pixel =
            (rest * static_cast<uint32_t>(g.p) + static_cast<uint32_t>(p)) * static_cast<uint32_t>(g.q) +
            static_cast<uint32_t>(q);
        const uint32_t tap =
            ((pixel * g.groups.divisor() + group) * static_cast<uint32_t>(g.r) + static_cast<uint32_t>(r)) *
                static_cast<uint32_t>(g.s) +
            static_cast<uint32_t>(s);
        add(sum, columns[tap * g.group_channels.divisor() + channel]);
      }
    }
    if (adds) {
      Element total = dx[i];
      add(total, sum);
      sum = total;
    }
    dx[i] = sum;
  });
}

bool by_fours(const ConvSpec& spec, const float* a, const float* b) {
  return spec.input[2] / spec.groups % 4 == 0 && reinterpret_cast<uintptr_t>(a) % 16 == 0 &&
         reinterpret_cast<uintptr_t>(b) % 16 == 0;
}

}  // namespace

ConvColumns::ConvColumns(const Device& device, const ConvSpec& spec) : stream_(cuda::stream_of(device)), spec_(spec) {}

bool ConvColumns::are_images() const {
  const bool single = spec_.kernel == Extent2{1, 1} && spec_.stride == Extent2{1, 1};
  const bool whole =
      spec_.kernel == Extent2{spec_.input[0], spec_.input[1]} && spec_.dilation == Extent2{1, 1} && spec_.groups == 1;
  return spec_.padding == Padding{} && (single || whole);
}

void ConvColumns::gather(int64_t images, const float* x, float* columns) const {
  const int64_t count = images * per_image();
  if (by_fours(spec_, x, columns)) {
    convoy::gather(stream_, Geometry(spec_, 4), count / 4, reinterpret_cast<const float4*>(x),
                   reinterpret_cast<float4*>(columns));
  } else {
    convoy::gather(stream_, Geometry(spec_, 1), count, x, columns);
  }
}

void ConvColumns::add_up(int64_t images, const float* columns, float* dx, Write write) const {
  const int64_t count = images * spec_.input.count();
  const bool adds = write == Write::accumulate;
  if (by_fours(spec_, dx, columns)) {
    convoy::add_up(stream_, Geometry(spec_, 4), count / 4, reinterpret_cast<const float4*>(columns),
                   reinterpret_cast<float4*>(dx), adds);
  } else {
    convoy::add_up(stream_, Geometry(spec_, 1), count, columns, dx, adds);
  }
}

}  // namespace convoy
