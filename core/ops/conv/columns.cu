// One thread for each element of what is written, or for four neighbouring channels.
#include "core/ops/conv/columns.hpp"

#include "core/ops/conv/geometry.hpp"

namespace convoy {
namespace {

using cuda::FastDivision;

/// Channels and what is made of them count in elements of `vector` floats.
struct Columns {
  Columns(const ConvSpec& spec, int64_t vector)
      : geometry(spec),
        channels(spec.input[2] / vector),
        group_channels(spec.input[2] / spec.groups / vector),
        groups(spec.groups) {}

  ConvGeometry geometry;
  FastDivision channels, group_channels, groups;
};

__device__ void add(float& sum, float value) {
  sum += value;
}
__device__ void add(float4& sum, const float4& value) {
  sum.x += value.x, sum.y += value.y, sum.z += value.z, sum.w += value.w;
}

template <typename Element>
void gather(cudaStream_t stream, const Columns& c, int64_t count, const Element* x, Element* columns) {
  cuda::for_each(stream, count, [=] __device__(int64_t i) {
    const ConvGeometry& g = c.geometry;
    auto image = static_cast<uint32_t>(i);
    const uint32_t channel = c.group_channels.split(image);
    const auto s = static_cast<int>(g.by_s.split(image)), r = static_cast<int>(g.by_r.split(image));
    const uint32_t group = c.groups.split(image);
    const auto q = static_cast<int>(g.by_q.split(image)), p = static_cast<int>(g.by_p.split(image));
    const int h = g.input_row(p, r), w = g.input_column(q, s);
    Element value{};
    if (g.inside(h, w)) {
      value = x[g.input_pixel(image, h, w) * c.channels.divisor() + group * c.group_channels.divisor() + channel];
    }
    columns[i] = value;
  });
}

template <typename Element>
void add_up(cudaStream_t stream, const Columns& c, int64_t count, const Element* columns, Element* dx, bool adds) {
  cuda::for_each(stream, count, [=] __device__(int64_t i) {
    const ConvGeometry& g = c.geometry;
    auto image = static_cast<uint32_t>(i);
    uint32_t group = c.channels.split(image);
    const uint32_t channel = c.group_channels.split(group);
    const auto w = static_cast<int>(g.by_width.split(image)), h = static_cast<int>(g.by_height.split(image));
    Element sum{};
    for (int r = 0; r < g.r; ++r) {
      const int p = g.output_row(h, r);
      if (p < 0) continue;
      for (int s = 0; s < g.s; ++s) {
        const int q = g.output_column(w, s);
        if (q < 0) continue;
        const uint32_t kernel = g.output_pixel(image, p, q) * c.groups.divisor() + group;
        const uint32_t tap = kernel * static_cast<uint32_t>(g.r * g.s) + static_cast<uint32_t>(r * g.s + s);
        add(sum, columns[tap * c.group_channels.divisor() + channel]);
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
  const bool whole = spec_.kernel == Extent2{spec_.input[0], spec_.input[1]} && spec_.groups == 1;
  return spec_.padding == Padding{} && (single || whole);
}

void ConvColumns::gather(int64_t images, const float* x, float* columns) const {
  const int64_t count = images * per_image();
  if (by_fours(spec_, x, columns)) {
    convoy::gather(stream_, Columns(spec_, 4), count / 4, reinterpret_cast<const float4*>(x),
                   reinterpret_cast<float4*>(columns));
  } else {
    convoy::gather(stream_, Columns(spec_, 1), count, x, columns);
  }
}

void ConvColumns::add_up(int64_t images, const float* columns, float* dx, Write write) const {
  const int64_t count = images * spec_.input.count();
  const bool adds = write == Write::accumulate;
  if (by_fours(spec_, dx, columns)) {
    convoy::add_up(stream_, Columns(spec_, 4), count / 4, reinterpret_cast<const float4*>(columns),
                   reinterpret_cast<float4*>(dx), adds);
  } else {
    convoy::add_up(stream_, Columns(spec_, 1), count, columns, dx, adds);
  }
}

}  // namespace convoy
