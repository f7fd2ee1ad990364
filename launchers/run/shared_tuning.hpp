// One choice of algorithms for all workers.
#pragma once

#include <functional>
#include <string>

#include "launchers/run/tuning_file.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

/// Collective: calls make() on every worker, which builds a model with `tuning`. The first worker goes first and so
/// measures what the file `known` (of a run; may be "" or absent) or else this user's cache does not tell; the others
/// follow its choice.
void make_with_one_choice(Worker& worker, Tuning& tuning, const Device& device, const std::string& known,
                          const std::function<void()>& make);

}  // namespace convoy
