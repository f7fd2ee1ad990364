// Which of several right implementations an op uses: measured once, then kept.
//
// Choices are made when a net is built, on one worker, and told to all (launchers/run). A net that must give the same
// bits at any number of threads is built without a Tuning, and its ops take their first candidate.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>

namespace convoy {

class Tuning {
 public:
  struct Candidate {
    std::string name;            // "direct", "winograd 4x4"
    std::function<void()> work;  // one call of the pass on memory of its own; may be run from the calling thread only
  };
  struct Measured {
    std::string choice;
    std::map<std::string, double> seconds{};  // of each candidate, as they were measured
    bool used = false;                        // an op asked for it
  };

  /// recall: what was not kept is not measured either, ops then take their first candidate.
  enum class Mode { measure, recall };
  explicit Tuning(Mode mode = Mode::measure) : mode_(mode) {}
  bool measures() const { return mode_ == Mode::measure; }

  /// The index of the candidate to use for `key`, which names the op, its geometry, the pass and the threads.
  /// A kept choice is taken as it is (if it is among the candidates), else all are run a few times and the fastest is
  /// kept. The first is preferred unless another is faster by more than the noise of a measurement.
  size_t choose(const std::string& key, std::span<const Candidate> candidates);

  /// The name kept for `key`, "" where there is none.
  std::string kept(const std::string& key);

  /// Takes over a choice made elsewhere, as entries() gave it.
  void keep(const std::string& key, const std::string& choice, std::map<std::string, double> seconds = {}) {
    entries_[key] = {.choice = choice, .seconds = std::move(seconds)};
  }
  const std::map<std::string, Measured>& entries() const { return entries_; }

 private:
  Mode mode_;
  std::map<std::string, Measured> entries_;
};

}  // namespace convoy
