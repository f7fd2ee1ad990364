// Batch normalisation on a GPU: two passes over the tensor in forward, two in backward.
//
// Each block adds up some rows of a tile of channels, four channels to a thread where they come in fours; a second
// kernel adds up what the blocks found, always in the same order. Forward's sums are of differences from the first
// row, in double: however wrong that is as a guess of the mean, a variance that holds it too loses nothing.
#include "core/device/cuda.hpp"
#include "core/ops/batchnorm.hpp"

namespace convoy {
namespace {

/// Neighbouring channels, in one access.
template <int width>
struct alignas(sizeof(float) * width) Group {
  float value[width];
};

/// Rows that a thread asks for at once, so that enough is under way.
constexpr int at_once = 4;

/// Groups of a row that lie side by side in a block; a warp of them is one access.
constexpr int most_abreast = 32;

/// Blocks that run side by side on the largest GPU, three to a multiprocessor: so many fit beside each other.
constexpr int64_t most_blocks = 132 * 3;

constexpr int forward_sums = 2, backward_sums = 3, backward_terms = 5;

struct Matrix {
  int64_t rows;
  int channels;
};

/// A thread's column of groups and its rows, in a grid of tiles of columns (x) and chunks of rows (y).
template <int width>
class Place {
 public:
  __device__ explicit Place(const Matrix& m)
      : columns_(m.channels / width),
        column_(static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x)),
        begin_(m.rows * blockIdx.y / gridDim.y),
        end_(m.rows * (blockIdx.y + 1) / gridDim.y) {}

  __device__ bool inside() const { return column_ < columns_; }

  /// The column's part of one row.
  __device__ Group<width> of_row(const float* row) const { return reinterpret_cast<const Group<width>*>(row)[column_]; }

  /// f<n>(at, stride): n rows, the first of whose groups is number `at` of the tensor.
  template <typename Function>
  __device__ void each(const Function& f) const {
    const int step = static_cast<int>(blockDim.y);
    const int64_t stride = int64_t{step} * columns_;
    int64_t row = begin_ + threadIdx.y, at = row * columns_ + column_;
    for (; row + (at_once - 1) * step < end_; row += at_once * step, at += at_once * stride) {
      f.template operator()<at_once>(at, stride);
    }
    for (; row < end_; row += step, at += stride) f.template operator()<1>(at, stride);
  }

  /// Writes what the block's rows come to, for each of the sums and each channel of the tile.
  template <int sums>
  __device__ void write_sums(const double (&value)[sums][width], double* to) const {
    __shared__ double shared[sums * width][cuda::block_threads];
    const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
    for (int i = 0; i < sums * width; ++i) shared[i][thread] = value[i / width][i % width];
    for (unsigned rows = blockDim.y; rows > 1;) {
      const unsigned half = (rows + 1) / 2;
      __syncthreads();
      if (threadIdx.y + half < rows) {
        for (int i = 0; i < sums * width; ++i) shared[i][thread] += shared[i][thread + half * blockDim.x];
      }
      rows = half;
    }
    if (threadIdx.y > 0 || !inside()) return;
    for (int i = 0; i < sums * width; ++i) {
      const int64_t row = int64_t{blockIdx.y} * sums + i / width;
      to[(row * columns_ + column_) * width + i % width] = shared[i][thread];
    }
  }

 private:
  int columns_, column_;
  int64_t begin_, end_;
};

template <int n, int width>
__device__ void load(const float* x, int64_t at, int64_t stride, Group<width> (&rows)[n]) {
  for (int r = 0; r < n; ++r) rows[r] = reinterpret_cast<const Group<width>*>(x)[at + r * stride];
}

/// Of x - (the first row), and of its square.
template <int width>
__global__ void sum_forward_kernel(Matrix m, const float* x, double* sums) {
  const Place<width> place(m);
  double sum[forward_sums][width] = {};
  if (place.inside()) {
    const Group<width> shift = place.of_row(x);
    place.each([&]<int n>(int64_t at, int64_t stride) {
      Group<width> rows[n];
      load(x, at, stride, rows);
      for (int r = 0; r < n; ++r) {
        for (int i = 0; i < width; ++i) {
          const double difference = static_cast<double>(rows[r].value[i]) - static_cast<double>(shift.value[i]);
          sum[0][i] += difference;
          sum[1][i] += difference * difference;
        }
      }
    });
  }
  place.write_sums(sum, sums);
}

/// Of dy, of dy (x - mean), and of x - mean, which is not 0 because the mean was rounded to fp32. A few rows are added
/// up in fp32.
template <int width>
__global__ void sum_backward_kernel(Matrix m, const float* x, const float* dy, const float* mean, double* sums) {
  const Place<width> place(m);
  double sum[backward_sums][width] = {};
  if (place.inside()) {
    // The mean may lie on any border of a float.
    Group<width> means;
    for (int i = 0; i < width; ++i) means.value[i] = mean[(blockIdx.x * blockDim.x + threadIdx.x) * width + i];
    place.each([&]<int n>(int64_t at, int64_t stride) {
      Group<width> rows[n], gradients[n];
      load(x, at, stride, rows);
      load(dy, at, stride, gradients);
      for (int i = 0; i < width; ++i) {
        float gradient = 0, product = 0, lost = 0;
        for (int r = 0; r < n; ++r) {
          const float difference = rows[r].value[i] - means.value[i];
          gradient += gradients[r].value[i];
          product += gradients[r].value[i] * difference;
          lost += difference;
        }
        sum[0][i] += static_cast<double>(gradient);
        sum[1][i] += static_cast<double>(product);
        sum[2][i] += static_cast<double>(lost);
      }
    });
  }
  place.write_sums(sum, sums);
}

constexpr unsigned warp = 32;

/// What all chunks come to. A block of 32 x 32 threads takes 32 channels: the totals of channel number threadIdx.y go
/// to the 32 threads that have it.
template <int sums>
__device__ void add_up(int channels, int chunks, const double* of_chunks, double (&total)[sums]) {
  __shared__ double shared[sums][warp][warp + 1];
  const int channel = static_cast<int>(blockIdx.x * warp + threadIdx.x);
  double sum[sums] = {};
  if (channel < channels) {
    for (int chunk = static_cast<int>(threadIdx.y); chunk < chunks; chunk += static_cast<int>(warp)) {
      for (int i = 0; i < sums; ++i) sum[i] += of_chunks[(chunk * sums + i) * channels + channel];
    }
  }
  for (int i = 0; i < sums; ++i) shared[i][threadIdx.x][threadIdx.y] = sum[i];
  __syncthreads();
  for (int i = 0; i < sums; ++i) {
    total[i] = shared[i][threadIdx.y][threadIdx.x];
    for (int mask = warp / 2; mask > 0; mask /= 2) total[i] += __shfl_xor_sync(~0u, total[i], mask);
  }
}

/// What the last pass needs of each channel, one array after another.
struct Terms {
  float* begin;
  int channels;
  __device__ float* array(int which) const { return begin + which * channels; }
  __device__ float& operator()(int which, int channel) const { return array(which)[channel]; }
};

/// y = scale (x - mean) + offset.
__device__ void set_affine(const Terms& terms, int channel, float mean, double scale, double offset) {
  terms(0, channel) = mean;
  terms(1, channel) = static_cast<float>(scale);
  terms(2, channel) = static_cast<float>(offset);
}

__global__ void finish_forward_kernel(Matrix m, int chunks, const double* sums, const float* x, const float* weight,
                                      const float* bias, double epsilon, BatchStatistics statistics, Terms terms) {
  double total[forward_sums];
  add_up(m.channels, chunks, sums, total);
  const int channel = static_cast<int>(blockIdx.x * warp + threadIdx.y);
  if (threadIdx.x > 0 || channel >= m.channels) return;
  const double n = static_cast<double>(m.rows), above_shift = total[0] / n;
  const double mean = static_cast<double>(x[channel]) + above_shift, square = total[1] / n - above_shift * above_shift;
  const double variance = square < 0 ? 0 : square;  // NaN stays
  const float rounded = static_cast<float>(mean);
  statistics.mean[channel] = rounded;
  statistics.variance[channel] = static_cast<float>(variance);
  // The mean that is subtracted is rounded to fp32; what that loses may be large beside the deviation.
  const double scale = static_cast<double>(weight[channel]) / std::sqrt(variance + epsilon);
  const double lost = mean - static_cast<double>(rounded);
  set_affine(terms, channel, rounded, scale, static_cast<double>(bias[channel]) - lost * scale);
}

/// dx = scale (dy - dy_mean) + (slope (x - mean) + offset): the terms in this order, but for the mean, which is first.
__global__ void finish_backward_kernel(Matrix m, int chunks, const double* sums, const float* weight, double epsilon,
                                       BatchStatistics statistics, float* dweight, float* dbias, Terms terms) {
  double total[backward_sums];
  add_up(m.channels, chunks, sums, total);
  const int channel = static_cast<int>(blockIdx.x * warp + threadIdx.y);
  if (threadIdx.x > 0 || channel >= m.channels) return;
  const double n = static_cast<double>(m.rows), sum = total[0], lost = total[2] / n;
  const double inverse = 1 / std::sqrt(static_cast<double>(statistics.variance[channel]) + epsilon);
  const double product = (total[1] - sum * lost) * inverse;
  dbias[channel] = static_cast<float>(sum);
  dweight[channel] = static_cast<float>(product);
  const double scale = static_cast<double>(weight[channel]) * inverse, slope = -scale * inverse * product / n;
  terms(0, channel) = statistics.mean[channel];
  terms(1, channel) = static_cast<float>(scale);
  terms(2, channel) = static_cast<float>(sum / n);
  terms(3, channel) = static_cast<float>(slope);
  terms(4, channel) = static_cast<float>(-slope * lost);
}

template <int width>
__global__ void normalise_kernel(Matrix m, const float* x, Terms terms, bool relu, float* y) {
  const Place<width> place(m);
  if (!place.inside()) return;
  const Group<width> mean = place.of_row(terms.array(0)), scale = place.of_row(terms.array(1)),
                     offset = place.of_row(terms.array(2));
  place.each([&]<int n>(int64_t at, int64_t stride) {
    Group<width> rows[n];
    load(x, at, stride, rows);
    for (int r = 0; r < n; ++r) {
      Group<width> out;
      for (int i = 0; i < width; ++i) {
        const float value = (rows[r].value[i] - mean.value[i]) * scale.value[i] + offset.value[i];
        out.value[i] = relu && value < 0 ? 0 : value;  // NaN, which compares false, is kept
      }
      reinterpret_cast<Group<width>*>(y)[at + r * stride] = out;
    }
  });
}

template <int width>
__global__ void differentiate_kernel(Matrix m, const float* x, const float* dy, Terms terms, bool adds, float* dx) {
  const Place<width> place(m);
  if (!place.inside()) return;
  Group<width> term[backward_terms];
  for (int i = 0; i < backward_terms; ++i) term[i] = place.of_row(terms.array(i));
  const Group<width>&mean = term[0], &scale = term[1], &dy_mean = term[2], &slope = term[3], &offset = term[4];
  place.each([&]<int n>(int64_t at, int64_t stride) {
    Group<width> rows[n], gradients[n];
    load(x, at, stride, rows);
    load(dy, at, stride, gradients);
    for (int r = 0; r < n; ++r) {
      auto& to = reinterpret_cast<Group<width>*>(dx)[at + r * stride];
      Group<width> out = adds ? to : rows[r];
      for (int i = 0; i < width; ++i) {
        const float below = (rows[r].value[i] - mean.value[i]) * slope.value[i] + offset.value[i];
        cuda::store(out.value[i], (gradients[r].value[i] - dy_mean.value[i]) * scale.value[i] + below, adds);
      }
      to = out;
    }
  });
}

class CudaBatchNorm final : public BatchNorm {
 public:
  CudaBatchNorm(const Device& device, const BatchNormSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        matrix_{spec.pixels * options.batch, static_cast<int>(spec.channels)},
        in_fours_(spec.channels % 4 == 0),
        epsilon_(static_cast<double>(spec.epsilon)),
        relu_(spec.activation == Activation::relu) {
    const int columns = in_fours_ ? matrix_.channels / 4 : matrix_.channels;
    const int tiles = (columns + most_abreast - 1) / most_abreast;
    const int abreast = (columns + tiles - 1) / tiles, below = static_cast<int>(cuda::block_threads) / abreast;
    chunks_ = static_cast<int>(
        std::clamp<int64_t>(matrix_.rows / (below * at_once), 1, std::max<int64_t>(most_blocks / tiles, 1)));
    blocks_ = dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(chunks_));
    threads_ = dim3(static_cast<unsigned>(abreast), static_cast<unsigned>(below));
  }

  size_t scratch_bytes() const override {
    const size_t sums = static_cast<size_t>(chunks_) * backward_sums * sizeof(double);
    return static_cast<size_t>(matrix_.channels) * (sums + backward_terms * sizeof(float));
  }

  void forward_training(const OpContext& context, const float* x, const float* weight, const float* bias, float* y,
                        const BatchStatistics& statistics) override {
    double* sums = sums_in(context);
    const Terms terms = terms_in(context);
    launch(in_fours_ ? sum_forward_kernel<4> : sum_forward_kernel<1>, x, sums);
    finish(finish_forward_kernel, sums, x, weight, bias, epsilon_, statistics, terms);
    launch(in_fours_ ? normalise_kernel<4> : normalise_kernel<1>, x, terms, relu_, y);
  }

  void forward_inference(const OpContext& context, const float* x, const float* weight, const float* bias,
                         const float* mean, const float* variance, float* y) override {
    const Terms terms = terms_in(context);
    const double epsilon = epsilon_;
    cuda::for_each(stream_, matrix_.channels, [=] __device__(int64_t c) {
      const double scale = static_cast<double>(weight[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
      set_affine(terms, static_cast<int>(c), mean[c], scale, static_cast<double>(bias[c]));
    });
    launch(in_fours_ ? normalise_kernel<4> : normalise_kernel<1>, x, terms, relu_, y);
  }

  void backward(const OpContext& context, const float* x, const float* dy, const float* weight,
                const BatchStatistics& statistics, float* dx, Write write, float* dweight, float* dbias) override {
    double* sums = sums_in(context);
    const Terms terms = terms_in(context);
    launch(in_fours_ ? sum_backward_kernel<4> : sum_backward_kernel<1>, x, dy, statistics.mean, sums);
    finish(finish_backward_kernel, sums, weight, epsilon_, statistics, dweight, dbias, terms);
    if (!dx) return;
    const bool adds = write == Write::accumulate;
    launch(in_fours_ ? differentiate_kernel<4> : differentiate_kernel<1>, x, dy, terms, adds, dx);
  }

  void newest_statistics(const OpContext&, const BatchStatistics& statistics, float share, float* mean,
                         float* variance) override {
    const float of_variance = share * unbiased_by(matrix_.rows);
    const BatchStatistics from = statistics;
    cuda::for_each(stream_, matrix_.channels, [=] __device__(int64_t c) {
      mean[c] = share * from.mean[c];
      variance[c] = of_variance * from.variance[c];
    });
  }

 private:
  /// A kernel that goes over the tensor.
  template <typename... Parameters, typename... Arguments>
  void launch(void (*kernel)(Matrix, Parameters...), Arguments... arguments) const {
    cuda::launch(stream_, blocks_, threads_, kernel, matrix_, arguments...);
  }
  /// A kernel that goes over the channels.
  template <typename... Parameters, typename... Arguments>
  void finish(void (*kernel)(Matrix, int, Parameters...), Arguments... arguments) const {
    const unsigned blocks = (static_cast<unsigned>(matrix_.channels) + warp - 1) / warp;
    cuda::launch(stream_, blocks, dim3(warp, warp), kernel, matrix_, chunks_, arguments...);
  }

  // Scratch: each chunk's sums, then the terms.
  double* sums_in(const OpContext& context) const { return static_cast<double*>(context.scratch); }
  Terms terms_in(const OpContext& context) const {
    double* end = sums_in(context) + int64_t{chunks_} * backward_sums * matrix_.channels;
    return {reinterpret_cast<float*>(end), matrix_.channels};
  }

  cudaStream_t stream_;
  Matrix matrix_;
  bool in_fours_;  // the channels
  double epsilon_;
  bool relu_;
  int chunks_;  // of the rows
  dim3 blocks_, threads_;
};

}  // namespace

std::unique_ptr<BatchNorm> make_batchnorm_cuda(Device& device, const BatchNormSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaBatchNorm>(device, spec, options);
}

}  // namespace convoy
