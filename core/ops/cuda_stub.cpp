// Stands in for every op's CUDA implementation until there is one; no CUDA device can be made, so none is reached.
#include "core/base/error.hpp"
#include "core/ops/conv.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/maxpool.hpp"
#include "core/ops/pixels.hpp"
#include "core/ops/relu.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {
namespace {

[[noreturn]] void no_cuda(const char* op) {
  fail(ExitCode::usage, op, " cannot run on a GPU: this version of Convoy trains on the CPU only; use --backend cpu");
}

}  // namespace

std::unique_ptr<Conv> make_conv_cuda(Device&, const ConvSpec&, const OpOptions&) {
  no_cuda("conv");
}
std::unique_ptr<Fc> make_fc_cuda(Device&, const FcSpec&, const OpOptions&) {
  no_cuda("fc");
}
std::unique_ptr<MaxPool> make_maxpool_cuda(Device&, const MaxPoolSpec&, const OpOptions&) {
  no_cuda("maxpool");
}
std::unique_ptr<Pixels> make_pixels_cuda(Device&, const PixelsSpec&, const OpOptions&) {
  no_cuda("pixels");
}
std::unique_ptr<Relu> make_relu_cuda(Device&, const ReluSpec&, const OpOptions&) {
  no_cuda("relu");
}
std::unique_ptr<Softmax> make_softmax_cuda(Device&, const SoftmaxSpec&, const OpOptions&) {
  no_cuda("softmax");
}

}  // namespace convoy
