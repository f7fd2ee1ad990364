// A block adds up 32 columns of a slice of the rows, and one more launch the slices' sums.
#include "core/ops/gemm/column_sums.hpp"

#include "core/device/cuda.hpp"

namespace convoy::gemm {
namespace {

constexpr int lanes = 32, lines = 8;

int64_t up(int64_t n, int64_t divisor) {
  return (n + divisor - 1) / divisor;
}

/// Blocks: x 32 columns, y a slice of so many rows; a slice's sums are a row of `sums`.
__global__ void sum_kernel(int64_t rows, int64_t slice, int64_t columns, const float* from, float* sums) {
  __shared__ float partial[lines][lanes];
  const int64_t column = int64_t{blockIdx.x} * lanes + threadIdx.x;
  const int64_t begin = blockIdx.y * slice, end = std::min(begin + slice, rows);
  float sum = 0;
  if (column < columns) {
#pragma unroll 4
    for (int64_t row = begin + threadIdx.y; row < end; row += lines) sum += from[row * columns + column];
  }
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= columns) return;
  for (int line = 1; line < lines; ++line) sum += partial[line][threadIdx.x];
  sums[blockIdx.y * columns + column] = sum;
}

void sum(cudaStream_t stream, int64_t rows, int64_t slices, int64_t columns, const float* from, float* sums) {
  const dim3 blocks(static_cast<unsigned>(up(columns, lanes)), static_cast<unsigned>(slices));
  cuda::launch(stream, blocks, dim3(lanes, lines), sum_kernel, rows, up(rows, slices), columns, from, sums);
}

}  // namespace

ColumnSums::ColumnSums(const Device& device, int64_t rows, int64_t columns)
    : device_(device), rows_(rows), columns_(columns) {
  constexpr int64_t least_rows = 64;          // of a slice
  constexpr int64_t wanted_blocks = 132 * 8;  // as many as fill any GPU
  const int64_t wanted = std::min(int64_t{256}, up(wanted_blocks, up(columns, lanes)));
  slices_ = std::max(int64_t{1}, std::min(wanted, rows / least_rows));
}

size_t ColumnSums::workspace_bytes() const {
  return slices_ > 1 ? static_cast<size_t>(slices_ * columns_) * sizeof(float) : 0;
}

void ColumnSums::run(void* workspace, const float* from, float* sums) const {
  const cudaStream_t stream = cuda::stream_of(device_);
  if (slices_ == 1) return sum(stream, rows_, 1, columns_, from, sums);
  auto* partial = static_cast<float*>(workspace);
  sum(stream, rows_, slices_, columns_, from, partial);
  sum(stream, slices_, 1, columns_, partial, sums);
}

}  // namespace convoy::gemm
