// A block of 256 threads makes a square tile of C of 64 or 128 rows, each thread 4 x 4 or 8 x 8 sums in registers, from
// strips of A and B of which 16 steps of k are in shared memory while the next 16 are on their way. Both strips lie
// there k by k, however the matrices lie; beyond their borders they are 0.
#include "core/ops/gemm/native.hpp"

#include <limits>

#include "core/base/error.hpp"
#include "core/device/cuda.hpp"

namespace convoy::gemm {
namespace {

constexpr int depth = 16;  // steps of k in shared memory
constexpr int threads = 256;
constexpr int gap = 4;  // floats between rows in shared memory, so that they begin in different banks

/// A kernel's view of a product. "Vector" means that 16 bytes may be read at once, where as many are left.
struct Product {
  const float *a, *b, *bias;
  float *c, *partial;
  int m, n, k, slice;  // slice: steps of k for one block
  int column_tiles;
  int64_t lda, ldb, ldc, stride_a, stride_b, stride_c, stride_bias;
  bool vector_a, vector_b, vector_c, relu, accumulate;
};

/// The first `left` of four floats, and 0 for the rest.
__device__ float4 load_four(const float* from, int left, bool vector) {
  if (left >= 4 && vector) return *reinterpret_cast<const float4*>(from);
  float4 out = make_float4(0, 0, 0, 0);
  if (left > 0) out.x = from[0];
  if (left > 1) out.y = from[1];
  if (left > 2) out.z = from[2];
  if (left > 3) out.w = from[3];
  return out;
}

/// What one thread brings from a strip of A or B, `Width` rows of A or columns of B wide, to shared memory.
template <int Width, bool DepthFirst>  // DepthFirst: steps of k lie side by side
class Strip {
 public:
  /// `from`: where the strip begins; `wide`, `deep`: how much of it there is.
  __device__ Strip(const float* from, int64_t leading, int wide, int deep, bool vector)
      : leading_(leading), wide_(wide), deep_(deep), vector_(vector) {
    const int thread = static_cast<int>(threadIdx.x);
    if constexpr (DepthFirst) {
      at_ = thread / (depth / 4), step_ = thread % (depth / 4) * 4;
      from_ = from + at_ * leading + step_;
    } else {
      at_ = thread % (Width / 4) * 4, step_ = thread / (Width / 4);
      from_ = from + step_ * leading + at_;
    }
  }

  /// Fetches the next steps of k into registers.
  __device__ void fetch() {
#pragma unroll
    for (int load = 0; load < loads; ++load) {
      const int at = DepthFirst ? at_ + load * between : at_, step = DepthFirst ? step_ : step_ + load * between;
      const bool inside = DepthFirst ? at < wide_ : step < deep_;
      const float* place = from_ + load * between * leading_;
      held_[load] =
          inside ? load_four(place, DepthFirst ? deep_ - step : wide_ - at, vector_) : make_float4(0, 0, 0, 0);
    }
    from_ += DepthFirst ? depth : depth * leading_;
    deep_ -= depth;
  }

  /// Lays down what was fetched.
  __device__ void lay(float (*shared)[Width + gap]) const {
#pragma unroll
    for (int load = 0; load < loads; ++load) {
      const float4& four = held_[load];
      if constexpr (DepthFirst) {
        const int at = at_ + load * between;
        shared[step_][at] = four.x;
        shared[step_ + 1][at] = four.y;
        shared[step_ + 2][at] = four.z;
        shared[step_ + 3][at] = four.w;
      } else {
        *reinterpret_cast<float4*>(&shared[step_ + load * between][at_]) = four;
      }
    }
  }

 private:
  static constexpr int loads = Width * depth / (4 * threads);
  static constexpr int between = threads / (DepthFirst ? depth / 4 : Width / 4);

  const float* from_;
  int64_t leading_;
  int wide_, deep_, at_, step_;
  bool vector_;
  float4 held_[loads];
};

template <int Fours>
__device__ void read_fours(const float* from, float (&to)[4 * Fours]) {
#pragma unroll
  for (int i = 0; i < Fours; ++i) {
    const float4 four = *reinterpret_cast<const float4*>(from + i * 64);
    to[4 * i] = four.x, to[4 * i + 1] = four.y, to[4 * i + 2] = four.z, to[4 * i + 3] = four.w;
  }
}

/// Finishes four sums that lie side by side in C, of which `left` are inside.
__device__ void finish(const Product& product, const float* bias, float* c, int column, int left, float (&sums)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i >= left) break;
    if (bias) sums[i] += bias[column + i];
    if (product.accumulate) sums[i] += c[i];
    if (product.relu && sums[i] < 0) sums[i] = 0;
  }
  if (left >= 4 && product.vector_c) {
    *reinterpret_cast<float4*>(c) = make_float4(sums[0], sums[1], sums[2], sums[3]);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < left) c[i] = sums[i];
    }
  }
}

/// Blocks: x a tile, y a slice of k, z a product of the batch.
template <int Fours, bool TransposeA, bool TransposeB>
__global__ void __launch_bounds__(threads, Fours == 2 ? 2 : 3) product_kernel(Product product) {
  constexpr int tile = 64 * Fours;
  alignas(16) __shared__ float a[2][depth][tile + gap];
  alignas(16) __shared__ float b[2][depth][tile + gap];
  const int row0 = static_cast<int>(blockIdx.x) / product.column_tiles * tile;
  const int column0 = static_cast<int>(blockIdx.x) % product.column_tiles * tile;
  const int k0 = static_cast<int>(blockIdx.y) * product.slice;
  const int deep = std::min(product.slice, product.k - k0);
  const int64_t index = blockIdx.z;
  const float* from_a =
      product.a + index * product.stride_a + (TransposeA ? k0 * product.lda + row0 : row0 * product.lda + k0);
  const float* from_b =
      product.b + index * product.stride_b + (TransposeB ? column0 * product.ldb + k0 : k0 * product.ldb + column0);
  Strip<tile, !TransposeA> strip_a(from_a, product.lda, product.m - row0, deep, product.vector_a);
  Strip<tile, TransposeB> strip_b(from_b, product.ldb, product.n - column0, deep, product.vector_b);

  // A warp's threads are 4 x 8 of the tile's 16 x 16, so that what they read of shared memory is read once.
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = (warp / 2 * 4 + lane / 8) * 4, column = (warp % 2 * 8 + lane % 8) * 4;
  float sums[4 * Fours][4 * Fours] = {};

  strip_a.fetch();
  strip_b.fetch();
  strip_a.lay(a[0]);
  strip_b.lay(b[0]);
  __syncthreads();
  for (int begin = 0, now = 0; begin < deep; begin += depth, now ^= 1) {
    const bool more = begin + depth < deep;
    if (more) {
      strip_a.fetch();
      strip_b.fetch();
    }
#pragma unroll
    for (int step = 0; step < depth; ++step) {
      float rows[4 * Fours], columns[4 * Fours];
      read_fours<Fours>(&a[now][step][row], rows);
      read_fours<Fours>(&b[now][step][column], columns);
#pragma unroll
      for (int i = 0; i < 4 * Fours; ++i) {
#pragma unroll
        for (int j = 0; j < 4 * Fours; ++j) sums[i][j] += rows[i] * columns[j];
      }
    }
    if (more) {
      strip_a.lay(a[now ^ 1]);
      strip_b.lay(b[now ^ 1]);
      __syncthreads();
    }
  }

  const bool whole = !product.partial;
  float* const c = whole ? product.c + index * product.stride_c
                         : product.partial + (int64_t{blockIdx.y} * gridDim.z + index) * product.m * product.n;
  const float* const bias = product.bias ? product.bias + index * product.stride_bias : nullptr;
#pragma unroll
  for (int i = 0; i < 4 * Fours; ++i) {
    const int at_row = row0 + row + i / 4 * 64 + i % 4;
    if (at_row >= product.m) continue;
#pragma unroll
    for (int j = 0; j < Fours; ++j) {
      const int at_column = column0 + column + j * 64;
      float* const place = c + at_row * product.ldc + at_column;
      float four[4] = {sums[i][4 * j], sums[i][4 * j + 1], sums[i][4 * j + 2], sums[i][4 * j + 3]};
      finish(product, bias, place, at_column, product.n - at_column, four);
    }
  }
}

/// C from the slices' sums, one product's after another's within a slice.
void add_slices(cudaStream_t stream, const Product& product, int64_t batch, int64_t slices) {
  const int64_t all = batch * product.m * product.n;
  cuda::for_each(stream, all, [=] __device__(int64_t i) {
    const unsigned line = static_cast<unsigned>(i) / static_cast<unsigned>(product.n);
    const int column = static_cast<int>(static_cast<unsigned>(i) % static_cast<unsigned>(product.n));
    const int64_t index = line / static_cast<unsigned>(product.m), row = line % static_cast<unsigned>(product.m);
    float sum = product.partial[i];
    for (int64_t slice = 1; slice < slices; ++slice) sum += product.partial[slice * all + i];
    if (product.bias) sum += product.bias[index * product.stride_bias + column];
    float* const c = product.c + index * product.stride_c + row * product.ldc + column;
    if (product.accumulate) sum += *c;
    *c = product.relu && sum < 0 ? 0 : sum;
  });
}

int64_t up(int64_t n, int64_t divisor) {
  return (n + divisor - 1) / divisor;
}

int64_t tiles_of(const GemmSpec& spec, int64_t tile) {
  return up(spec.m, tile) * up(spec.n, tile) * spec.batch;
}

template <int Fours>
auto kernel_for(const GemmSpec& spec) {
  if (spec.transpose_a) {
    return spec.transpose_b ? product_kernel<Fours, true, true> : product_kernel<Fours, true, false>;
  }
  return spec.transpose_b ? product_kernel<Fours, false, true> : product_kernel<Fours, false, false>;
}

int64_t multiprocessors() {
  int gpu = 0, count = 0;
  cuda::check(cudaGetDevice(&gpu), "ask for the GPU in use");
  cuda::check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, gpu), "count multiprocessors");
  return count;
}

bool by_fours(const float* data, int64_t leading, int64_t stride) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && leading % 4 == 0 && stride % 4 == 0;
}

class NativeGemm final : public Gemm {
 public:
  NativeGemm(const Device& device, const GemmSpec& given, const Plan& plan)
      : stream_(cuda::stream_of(device)),
        spec_(with_leading_dimensions(given)),
        tile_(plan.tile),
        kernel_(plan.tile == 128 ? kernel_for<2>(spec_) : kernel_for<1>(spec_)),
        slice_(up(up(spec_.k, plan.slices), depth) * depth),
        slices_(up(spec_.k, slice_)) {
    constexpr int64_t most = std::numeric_limits<int>::max() - 256;
    if (std::max({spec_.m, spec_.n, spec_.k, tiles_of(spec_, tile_)}) > most || spec_.batch > 65535) {
      fail(ExitCode::internal, "a product of ", spec_.m, " x ", spec_.k, " by ", spec_.n,
           " is too large; use a smaller batch");
    }
  }

  size_t workspace_bytes() const override {
    return slices_ > 1 ? static_cast<size_t>(slices_ * spec_.batch * spec_.m * spec_.n) * sizeof(float) : 0;
  }
  std::string name() const override {
    return concat("native ", tile_, "x", tile_, slices_ > 1 ? concat(" in ", slices_, " slices") : "");
  }

  void run(void* workspace, const float* a, const float* b, const float* bias, float* c, Write write) const override {
    Product product{.a = a,
                    .b = b,
                    .bias = spec_.bias ? bias : nullptr,
                    .c = c,
                    .partial = nullptr,
                    .m = static_cast<int>(spec_.m),
                    .n = static_cast<int>(spec_.n),
                    .k = static_cast<int>(spec_.k),
                    .slice = static_cast<int>(slice_),
                    .column_tiles = static_cast<int>(up(spec_.n, tile_)),
                    .lda = spec_.lda,
                    .ldb = spec_.ldb,
                    .ldc = spec_.ldc,
                    .stride_a = spec_.stride_a,
                    .stride_b = spec_.stride_b,
                    .stride_c = spec_.stride_c,
                    .stride_bias = spec_.stride_bias,
                    .vector_a = by_fours(a, spec_.lda, spec_.stride_a),
                    .vector_b = by_fours(b, spec_.ldb, spec_.stride_b),
                    .vector_c = by_fours(c, spec_.ldc, spec_.stride_c),
                    .relu = spec_.relu,
                    .accumulate = write == Write::accumulate};
    const auto tiles = static_cast<unsigned>(tiles_of(spec_, tile_) / spec_.batch);
    const dim3 blocks(tiles, static_cast<unsigned>(slices_), static_cast<unsigned>(spec_.batch));
    if (slices_ == 1) {
      cuda::launch(stream_, blocks, threads, kernel_, product);
      return;
    }
    product.partial = static_cast<float*>(workspace);
    Product part = product;
    part.bias = nullptr, part.relu = part.accumulate = false;
    part.ldc = spec_.n, part.vector_c = spec_.n % 4 == 0 && spec_.m * spec_.n % 4 == 0;
    cuda::launch(stream_, blocks, threads, kernel_, part);
    add_slices(stream_, product, spec_.batch, slices_);
  }

 private:
  const cudaStream_t stream_;
  const GemmSpec spec_;
  const int tile_;
  void (*const kernel_)(Product);
  const int64_t slice_, slices_;
};

}  // namespace

Plan plan_for(const GemmSpec& spec, int64_t multiprocessors) {
  constexpr int64_t least_slice = 128;  // steps of k that are worth a block's start and end
  const bool large = std::min(spec.m, spec.n) > 64 && tiles_of(spec, 128) >= multiprocessors;
  Plan plan{.tile = large ? 128 : 64};
  const int64_t tiles = tiles_of(spec, plan.tile);
  const int64_t room = static_cast<int64_t>(gemm_workspace_limit / sizeof(float)) / (spec.batch * spec.m * spec.n);
  plan.slices = std::max(int64_t{1}, std::min({2 * multiprocessors / tiles, spec.k / least_slice, room}));
  return plan;
}

std::unique_ptr<Gemm> make_native(Device& device, const GemmSpec& spec, const Plan& plan) {
  return std::make_unique<NativeGemm>(device, spec, plan);
}

std::unique_ptr<Gemm> make_native(Device& device, const GemmSpec& spec) {
  return make_native(device, spec, plan_for(spec, multiprocessors()));
}

}  // namespace convoy::gemm
