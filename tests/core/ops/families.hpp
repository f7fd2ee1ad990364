// What each family of ops gives the tests: its cases, and one of them made ready to run. Defined in tested_FAMILY.cpp.
#pragma once

#include "tests/core/ops/tested_op.hpp"

namespace convoy::testing {

std::unique_ptr<TestedOp> make_tested(const ConvSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const FcSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const MaxPoolSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const AvgPoolSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const LrnSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const DropoutSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const ActivationSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const BatchNormSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const SeveralAdded& added, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const ConcatSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const LossSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const SoftmaxSpec& spec, int64_t batch);
std::unique_ptr<TestedOp> make_tested(const PixelsSpec& spec, int64_t batch);

std::vector<OpCase> conv_cases();
std::vector<OpCase> fc_cases();
std::vector<OpCase> maxpool_cases();
std::vector<OpCase> avgpool_cases();
std::vector<OpCase> lrn_cases();
std::vector<OpCase> dropout_cases();
std::vector<OpCase> activation_cases();
std::vector<OpCase> batchnorm_cases();
std::vector<OpCase> add_cases();
std::vector<OpCase> concat_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> softmax_cases();
std::vector<OpCase> pixels_cases();

}  // namespace convoy::testing
