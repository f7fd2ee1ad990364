// What has no CUDA implementation yet. To be deleted when all have.
#include "core/base/error.hpp"
#include "core/ops/activation.hpp"
#include "core/ops/batchnorm.hpp"
#include "core/ops/dropout.hpp"
#include "core/ops/loss.hpp"
#include "core/ops/pixels.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {
namespace {

[[noreturn]] void no_cuda(const char* op) {
  fail(ExitCode::usage, op, " cannot run on a GPU: this version of Convoy trains on the CPU only; use --backend cpu");
}

}  // namespace

std::unique_ptr<BatchNorm> make_batchnorm_cuda(Device&, const BatchNormSpec&, const OpOptions&) {
  no_cuda("batchnorm");
}
std::unique_ptr<Dropout> make_dropout_cuda(Device&, const DropoutSpec&, const OpOptions&) {
  no_cuda("dropout");
}
std::unique_ptr<Loss> make_loss_cuda(Device&, const LossSpec&, const OpOptions&) {
  no_cuda("loss");
}
std::unique_ptr<Pixels> make_pixels_cuda(Device&, const PixelsSpec&, const OpOptions&) {
  no_cuda("pixels");
}
std::unique_ptr<Softmax> make_softmax_cuda(Device&, const SoftmaxSpec&, const OpOptions&) {
  no_cuda("softmax");
}

}  // namespace convoy
