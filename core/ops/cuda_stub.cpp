// Stands in for every op's CUDA implementation until there is one; no CUDA device can be made, so none is reached.
#include "core/base/error.hpp"
#include "core/ops/activation.hpp"
#include "core/ops/add.hpp"
#include "core/ops/avgpool.hpp"
#include "core/ops/batchnorm.hpp"
#include "core/ops/concat.hpp"
#include "core/ops/conv.hpp"
#include "core/ops/dropout.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/gemm/gemm.hpp"
#include "core/ops/loss.hpp"
#include "core/ops/lrn.hpp"
#include "core/ops/maxpool.hpp"
#include "core/ops/pixels.hpp"
#include "core/ops/score.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {
namespace {

[[noreturn]] void no_cuda(const char* op) {
  fail(ExitCode::usage, op, " cannot run on a GPU: this version of Convoy trains on the CPU only; use --backend cpu");
}

}  // namespace

std::unique_ptr<ActivationOp> make_activation_cuda(Device&, const ActivationSpec&, const OpOptions&) {
  no_cuda("an activation");
}
std::unique_ptr<Add> make_add_cuda(Device&, const AddSpec&, const OpOptions&) {
  no_cuda("add");
}
std::unique_ptr<AvgPool> make_avgpool_cuda(Device&, const AvgPoolSpec&, const OpOptions&) {
  no_cuda("avgpool");
}
std::unique_ptr<BatchNorm> make_batchnorm_cuda(Device&, const BatchNormSpec&, const OpOptions&) {
  no_cuda("batchnorm");
}
std::unique_ptr<Concat> make_concat_cuda(Device&, const ConcatSpec&, const OpOptions&) {
  no_cuda("concat");
}
std::unique_ptr<Conv> make_conv_cuda(Device&, const ConvSpec&, const OpOptions&) {
  no_cuda("conv");
}
std::unique_ptr<Dropout> make_dropout_cuda(Device&, const DropoutSpec&, const OpOptions&) {
  no_cuda("dropout");
}
std::unique_ptr<Fc> make_fc_cuda(Device&, const FcSpec&, const OpOptions&) {
  no_cuda("fc");
}
std::unique_ptr<Gemm> make_gemm(Device&, const GemmSpec&) {
  no_cuda("a matrix product");
}
std::unique_ptr<Loss> make_loss_cuda(Device&, const LossSpec&, const OpOptions&) {
  no_cuda("loss");
}
std::unique_ptr<Lrn> make_lrn_cuda(Device&, const LrnSpec&, const OpOptions&) {
  no_cuda("lrn");
}
std::unique_ptr<MaxPool> make_maxpool_cuda(Device&, const MaxPoolSpec&, const OpOptions&) {
  no_cuda("maxpool");
}
std::unique_ptr<Pixels> make_pixels_cuda(Device&, const PixelsSpec&, const OpOptions&) {
  no_cuda("pixels");
}
std::unique_ptr<Score> make_score_cuda(Device&, const ScoreSpec&, const OpOptions&) {
  no_cuda("score");
}
std::unique_ptr<Softmax> make_softmax_cuda(Device&, const SoftmaxSpec&, const OpOptions&) {
  no_cuda("softmax");
}

}  // namespace convoy
