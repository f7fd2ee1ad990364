// Runs a function on every rank of a thread communicator at once.
#pragma once

#include <exception>
#include <functional>
#include <thread>

#include "distributed/communicator.hpp"
#include "distributed/exchange.hpp"

namespace convoy {

/// For tests that no deadline shall end, however slow the machine.
inline const CommunicatorOptions patient{.timeout = std::chrono::hours(1)};

/// An exchange in which all ranks cut buckets into slices.
inline ExchangePaths flat(Communicator& communicator) {
  return {.everybody = communicator, .reduce = communicator, .gather = communicator};
}

/// The errors of the ranks, nullptr where there was none.
inline std::vector<std::exception_ptr> errors_of_ranks(int ranks, const std::function<void(Communicator&)>& run,
                                                       const CommunicatorOptions& options = patient) {
  auto communicators = make_thread_communicators(ranks, options);
  std::vector<std::exception_ptr> errors(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      try {
        run(*communicators[static_cast<size_t>(r)]);
      } catch (...) {
        errors[static_cast<size_t>(r)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

/// Rethrows the first error.
inline void run_ranks(int ranks, const std::function<void(Communicator&)>& run,
                      const CommunicatorOptions& options = patient) {
  for (const auto& error : errors_of_ranks(ranks, run, options)) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace convoy
