// Sums of squares on a GPU, the same bits as the CPU's (norms.cpp).
//
// Segments are cut into pieces of one thread block each. Eight threads take 64 elements together, each the partial sum
// that the CPU keeps of every eighth element, and meet in the CPU's order; then each of the eight keeps one digit of
// the exact sum. Digits are integers: in what order they are added does not matter. add() adds to the words of each
// piece, read() adds up the pieces of each segment.
#include <algorithm>
#include <vector>

#include "core/device/cuda.hpp"
#include "core/optim/norms.hpp"

namespace convoy {
namespace {

constexpr uint32_t row = SegmentTable::alignment;  // elements that are summed in double precision
constexpr uint32_t digits = ExactSum::words - 1;
constexpr uint32_t piece_rows = 256;
constexpr uint32_t warp = 32;
constexpr uint32_t rows_at_once = cuda::block_threads / digits, warps = cuda::block_threads / warp;
static_assert(digits == 8, "as many as the partial sums of a row");

/// A part of one segment.
struct Piece {
  uint64_t begin, end;  // in elements, padding left out
};

/// The sum over the lanes that differ in the bits of `first`, `first` * 2, ... below `end`.
template <typename T>
__device__ T sum_over_lanes(T value, int first, int end) {
  for (int distance = first; distance < end; distance *= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

/// Block (p, k) adds the squares of piece p of the gradients or the weights, as far as it lies in [begin, end).
__global__ void add_squares(const float* gradients, const float* weights, uint64_t begin, uint64_t end,
                            const Piece* pieces, int64_t* words) {
  __shared__ int64_t of_warp[warps][ExactSum::words];
  const float* const x = blockIdx.y == 0 ? gradients : weights;
  const Piece piece = pieces[blockIdx.x];
  const uint64_t first = std::max(begin, piece.begin), last = std::min(end, piece.end);
  const uint32_t digit = threadIdx.x % digits;
  int64_t word = 0, unfit = 0;
  // All threads of a warp go the same way round, since they meet.
  for (uint32_t r = threadIdx.x / warp * (warp / digits); r * uint64_t{row} + first < last; r += rows_at_once) {
    const uint64_t at = first + (r + threadIdx.x % warp / digits) * uint64_t{row};
    double partial = 0;
#pragma unroll
    for (uint32_t i = digit; i < row; i += digits) {
      const float value = at + i < last ? x[at + i] : 0.0f;
      partial += static_cast<double>(value) * static_cast<double>(value);
    }
    const ExactTerm term = exact_term(sum_over_lanes(partial, 1, digits));
    const uint32_t place = digit - term.first;
    word += place == 0 ? term.digits[0] : place == 1 ? term.digits[1] : place == 2 ? term.digits[2] : 0;
    unfit += term.unfit ? 1 : 0;
  }
  word = sum_over_lanes(word, digits, warp);
  unfit = sum_over_lanes(unfit, digits, warp);
  const uint32_t lane = threadIdx.x % warp;
  if (lane < digits) of_warp[threadIdx.x / warp][lane] = word;
  if (lane == 0) of_warp[threadIdx.x / warp][digits] = unfit;
  __syncthreads();
  if (threadIdx.x < ExactSum::words) {
    int64_t sum = 0;
    for (uint32_t w = 0; w < warps; ++w) sum += of_warp[w][threadIdx.x];
    words[(uint64_t{blockIdx.x} * gridDim.y + blockIdx.y) * ExactSum::words + threadIdx.x] += sum;
  }
}

/// Block (s, k) adds up the pieces of segment s, which are [first_piece[s], first_piece[s + 1]): a warp for each word.
__global__ void add_pieces(const uint32_t* first_piece, const int64_t* words, int64_t* sums) {
  int64_t sum = 0;
  for (uint32_t p = first_piece[blockIdx.x] + threadIdx.x; p < first_piece[blockIdx.x + 1]; p += warp) {
    sum += words[(uint64_t{p} * gridDim.y + blockIdx.y) * ExactSum::words + threadIdx.y];
  }
  sum = sum_over_lanes(sum, 1, warp);
  if (threadIdx.x == 0) sums[(blockIdx.x * 2 + blockIdx.y) * ExactSum::words + threadIdx.y] = sum;
}

class CudaNormSums final : public DeviceNormSums {
 public:
  CudaNormSums(Device& device, const SegmentTable& table, NormNeed need)
      : device_(device),
        stream_(cuda::stream_of(device)),
        buffers_(need == NormNeed::gradients_and_weights ? 2 : 1),
        segments_(table.segments().size()),
        sums_(device, segments_ * 2 * ExactSum::words * sizeof(int64_t), "norms") {
    std::vector<uint32_t> first_piece;
    for (const Segment& segment : table.segments()) {
      first_piece.push_back(static_cast<uint32_t>(pieces_.size()));
      if (!segment.is_parameter()) continue;
      const uint64_t end = segment.offset + segment.count;
      for (uint64_t begin = segment.offset; begin < end; begin += piece_rows * row) {
        pieces_.push_back({begin, std::min<uint64_t>(end, begin + piece_rows * row)});
      }
    }
    first_piece.push_back(static_cast<uint32_t>(pieces_.size()));
    words_ = DeviceBuffer(device, pieces_.size() * buffers_ * ExactSum::words * sizeof(int64_t), "norms");
    device_pieces_ = DeviceBuffer(device, pieces_.size() * sizeof(Piece), "norms");
    device.upload(device_pieces_.data(), pieces_.data(), device_pieces_.bytes());
    first_piece_ = DeviceBuffer(device, first_piece.size() * sizeof(uint32_t), "norms");
    device.upload(first_piece_.data(), first_piece.data(), first_piece_.bytes());
  }

  void clear() override { cuda::check(cudaMemsetAsync(words_.data(), 0, words_.bytes(), stream_), "clear norms"); }

  void add(const ParameterArena& arena, size_t begin, size_t end) override {
    const auto first = std::ranges::upper_bound(pieces_, begin, {}, &Piece::end);
    const auto last = std::ranges::lower_bound(first, pieces_.end(), end, {}, &Piece::begin);
    if (first == last) return;
    const auto skipped = static_cast<size_t>(first - pieces_.begin());
    cuda::launch(stream_, dim3(static_cast<unsigned>(last - first), buffers_), cuda::block_threads, add_squares,
                 arena.gradients().data(), arena.weights().data(), begin, end,
                 reinterpret_cast<const Piece*>(device_pieces_.data()) + skipped,
                 words() + skipped * buffers_ * ExactSum::words);
  }

  void read(std::span<int64_t> out) override {
    if (segments_ == 0) return;
    cuda::launch(stream_, dim3(static_cast<unsigned>(segments_), buffers_), dim3(warp, ExactSum::words), add_pieces,
                 reinterpret_cast<const uint32_t*>(first_piece_.data()), words(),
                 reinterpret_cast<int64_t*>(sums_.data()));
    device_.download(out.data(), sums_.data(), sums_.bytes());
  }

 private:
  int64_t* words() const { return reinterpret_cast<int64_t*>(words_.data()); }

  Device& device_;
  cudaStream_t stream_;
  unsigned buffers_;
  size_t segments_;
  std::vector<Piece> pieces_;
  DeviceBuffer device_pieces_, first_piece_;
  DeviceBuffer words_;  // of each piece, as many as there are buffers
  DeviceBuffer sums_;   // of each segment, two
};

}  // namespace

std::unique_ptr<DeviceNormSums> make_norm_sums_cuda(Device& device, const SegmentTable& table, NormNeed need) {
  return std::make_unique<CudaNormSums>(device, table, need);
}

}  // namespace convoy
