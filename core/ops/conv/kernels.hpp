// The inner loops of Convoy's own convolutions: a matrix product held in registers and Winograd's transforms, written
// once over a vector type and compiled for AVX-512 and for AVX2.
//
// Each sum is taken in the order of its terms by fused multiply-adds, so both give the same bits.
#pragma once

#include <cstdint>

namespace convoy {

/// C (rows, columns) = A B, where the sum runs over `outer` times `inner` terms:
///   c[i c_row + j] = sum_{o, s} a[i a_row + s a_step + o a_outer] * b[s b_step + o b_outer + j]
/// a_row or a_step must be 1.
struct Product {
  const float* a = nullptr;
  int64_t a_row = 0, a_step = 0, a_outer = 0;
  const float* b = nullptr;
  int64_t b_step = 0, b_outer = 0;
  int64_t b_panel = 0;  // from one panel of columns (see ConvKernels) to the next
  int64_t inner = 0, outer = 1;
  float* c = nullptr;
  int64_t c_row = 0;
  int64_t rows = 0, columns = 0;
  const float* bias = nullptr;  // (columns), where each sum starts; null: at 0
  bool accumulate = false;      // adds to what c holds
  bool relu = false;            // stores max(sum, 0); NaN stays NaN
};

/// What is done to the pixels that a transform writes.
struct Finish {
  const float* bias = nullptr;  // (count), added; null: nothing is
  bool accumulate = false;      // adds to what the pixels hold
  bool relu = false;
};

/// Reads a square of pixels, each a row of `count` channels `step` floats apart, and writes its transform to
/// `to` + position * to_position, `count` rounded up to whole vectors of channels (0 beyond count).
using Spread = void (*)(const float* const* pixels, int64_t step, int64_t count, float* to, int64_t to_position);
/// Reads a square of positions and writes the pixels of its transform; a null pixel is left out.
using Collect = void (*)(const float* from, int64_t from_position, int64_t count, float* const* pixels,
                         const Finish& finish);

struct WinogradKernels {
  int outputs, taps;        // m, r: an m x m tile of outputs of an r x r kernel from (m + r - 1)^2 inputs
  Spread input;             // B^T d B
  Spread weight;            // G g G^T
  Collect output;           // A^T m A
  Spread output_gradient;   // A dy A^T
  Collect weight_gradient;  // G^T w G
  int inputs() const { return outputs + taps - 1; }
  int positions() const { return inputs() * inputs(); }
};

struct ConvKernels {
  const char* name;  // "avx512"
  int lanes;         // floats of a vector
  int panel;         // columns of B that a product reads at a time: B may be stored as panels of so many
  void (*multiply)(const Product&);
  /// to[j] += sum_i from[i row + j], for j < columns.
  void (*add_rows)(const float* from, int64_t rows, int64_t row, int64_t columns, float* to);
  WinogradKernels winograd[5];
};

/// Of this processor, the widest; null where there are none.
const ConvKernels* conv_kernels();
/// Null if not compiled in; may not be run where the processor lacks the instructions.
const ConvKernels* avx512_conv_kernels();
const ConvKernels* avx2_conv_kernels();

}  // namespace convoy
