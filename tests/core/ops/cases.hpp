// The one list of op cases: it drives the comparison with the oracle, the gradient check and the team tests.
#pragma once

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "core/ops/activation.hpp"
#include "core/ops/add.hpp"
#include "core/ops/avgpool.hpp"
#include "core/ops/batchnorm.hpp"
#include "core/ops/concat.hpp"
#include "core/ops/conv.hpp"
#include "core/ops/dropout.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/loss.hpp"
#include "core/ops/lrn.hpp"
#include "core/ops/maxpool.hpp"
#include "core/ops/pixels.hpp"
#include "core/ops/softmax.hpp"

namespace convoy::testing {

/// Add, whose spec leaves open how many.
struct SeveralAdded {
  AddSpec spec;
  size_t inputs = 2;
};

using AnySpec = std::variant<ConvSpec, FcSpec, MaxPoolSpec, AvgPoolSpec, LrnSpec, DropoutSpec, ActivationSpec,
                             SoftmaxSpec, PixelsSpec, BatchNormSpec, SeveralAdded, ConcatSpec, LossSpec>;

struct OpCase {
  std::string name;
  int64_t batch = 1;
  AnySpec spec;
};

/// So that a failing case is named.
inline void PrintTo(const OpCase& op_case, std::ostream* out) {
  *out << op_case.name;
}

/// Of all families.
std::vector<OpCase> all_cases();

}  // namespace convoy::testing
