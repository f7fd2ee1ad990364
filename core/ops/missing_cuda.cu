// What has no CUDA implementation yet. To be deleted when all have.
#include "core/base/error.hpp"
#include "core/ops/activation.hpp"
#include "core/ops/add.hpp"
#include "core/ops/avgpool.hpp"
#include "core/ops/concat.hpp"
#include "core/ops/conv.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/lrn.hpp"
#include "core/ops/maxpool.hpp"

namespace convoy {
namespace {

[[noreturn]] void no_cuda(const char* op) {
  fail(ExitCode::usage, op, " cannot run on a GPU: this version of Convoy trains on the CPU only; use --backend cpu");
}

}  // namespace

std::unique_ptr<Add> make_add_cuda(Device&, const AddSpec&, const OpOptions&) {
  no_cuda("add");
}
std::unique_ptr<AvgPool> make_avgpool_cuda(Device&, const AvgPoolSpec&, const OpOptions&) {
  no_cuda("avgpool");
}
std::unique_ptr<Concat> make_concat_cuda(Device&, const ConcatSpec&, const OpOptions&) {
  no_cuda("concat");
}
std::unique_ptr<Conv> make_conv_cuda(Device&, const ConvSpec&, const OpOptions&) {
  no_cuda("conv");
}
std::unique_ptr<Fc> make_fc_cuda(Device&, const FcSpec&, const OpOptions&) {
  no_cuda("fc");
}
std::unique_ptr<Lrn> make_lrn_cuda(Device&, const LrnSpec&, const OpOptions&) {
  no_cuda("lrn");
}
std::unique_ptr<MaxPool> make_maxpool_cuda(Device&, const MaxPoolSpec&, const OpOptions&) {
  no_cuda("maxpool");
}

}  // namespace convoy
