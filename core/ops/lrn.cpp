// The public entry of local response normalisation: checks the spec and hands it to the device's implementation.
#include "core/ops/lrn.hpp"

#include "core/base/error.hpp"

namespace convoy {

std::unique_ptr<Lrn> make_lrn(Device& device, const LrnSpec& spec, const OpOptions& options) {
  if (spec.input.rank() != 3 || spec.n < 1 || !(spec.k > 0) || !(spec.alpha >= 0)) {
    fail(ExitCode::internal, "lrn of ", spec.input.text(), ", n=", spec.n, " alpha=", spec.alpha, " k=", spec.k,
         ": it takes an image, a window of at least 1, k > 0 and alpha >= 0, which keep s positive");
  }
  return make_for(device, make_lrn_cpu, make_lrn_cuda, spec, options);
}

}  // namespace convoy
