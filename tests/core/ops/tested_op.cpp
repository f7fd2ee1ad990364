// All families together. A new one is: its Spec in AnySpec of cases.hpp, its two lines in families.hpp, its cases
// below, and a tested_FAMILY.cpp.
#include "tests/core/ops/families.hpp"

namespace convoy::testing {

std::vector<OpCase> all_cases() {
  std::vector<OpCase> all;
  for (const auto& part :
       {conv_cases(), fc_cases(), maxpool_cases(), avgpool_cases(), lrn_cases(), dropout_cases(), activation_cases(),
        batchnorm_cases(), add_cases(), concat_cases(), loss_cases(), softmax_cases(), pixels_cases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::unique_ptr<TestedOp> make_tested_op(const OpCase& op_case) {
  return std::visit([&](const auto& spec) { return make_tested(spec, op_case.batch); }, op_case.spec);
}

}  // namespace convoy::testing
