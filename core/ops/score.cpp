// The public entry of scoring: hands it to the device's implementation.
#include "core/ops/score.hpp"

namespace convoy {

std::unique_ptr<Score> make_score(Device& device, const ScoreSpec& spec, const OpOptions& options) {
  return make_for(device, make_score_cpu, make_score_cuda, spec, options);
}

}  // namespace convoy
