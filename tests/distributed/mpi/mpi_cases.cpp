// Under mpirun:
//   mpi_cases              the communicator cases over MPI, against MPI itself
//   mpi_cases nodes R      the same, and exchanges, with nodes of R workers drawn between them (0: all are one node)
//   mpi_cases large        buffers beyond 2^31 bytes
//   mpi_cases killed|stopped [R]    the last worker does that to itself, and the others show how they find out: over
//                                   MPI, or over shared memory in nodes of R and MPI across
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"
#include "distributed/mpi_world.hpp"
#include "tests/distributed/communicator_cases.hpp"
#include "tests/distributed/large_buffers.hpp"
#include "tests/distributed/mpi/mpi_nodes.hpp"
#include "tests/distributed/mpi/mpi_oracle.hpp"

namespace convoy {
namespace {

constexpr size_t long_slice = 270001;  // more than the 1 MiB that MpiComm sends as one message

void require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

void world_is_consistent(MpiWorld& world, Communicator& communicator) {
  require(launched_by_mpi() || world.size() == 1, "launched_by_mpi() does not know of mpirun");
  require(communicator.rank() == world.rank() && communicator.size() == world.size(), "rank or size");
  require(world.local_rank() < world.local_size() && world.local_size() <= world.size(), "local rank or size");
  require(communicator.describe().starts_with("MPI, " + std::to_string(world.size()) + " worker"), "describe()");
}

// MPI_THREAD_SERIALIZED allows one thread at a time: two communicators in two threads must take turns by themselves.
void two_communicators_at_once(MpiWorld& world) {
  const auto first = world.make_communicator();
  const auto second = world.make_communicator();
  std::exception_ptr error;
  const auto work = [](Communicator& communicator) {
    for (const CommunicatorCase& one : communicator_cases()) {
      if (std::string(one.name) == "operations follow each other") one.run(communicator, {.long_slice = long_slice});
    }
  };
  std::thread other([&] {
    try {
      work(*second);
    } catch (...) {
      error = std::current_exception();
    }
  });
  work(*first);
  other.join();
  if (error) std::rethrow_exception(error);
}

void run_cases(MpiWorld& world) {
  const auto communicator = world.make_communicator();
  world_is_consistent(world, *communicator);
  for (const CommunicatorCase& one : communicator_cases()) {
    try {
      one.run(*communicator, {.long_slice = long_slice, .rounds = true});
    } catch (const std::exception& error) {
      throw std::logic_error(concat(one.name, ": ", error.what()));
    }
    if (world.rank() == 0) std::cout << "passed: " << one.name << std::endl;
  }
  two_communicators_at_once(world);
  compare_with_mpi(*communicator);
}

void run_large(MpiWorld& world) {
  if (const auto reason = no_room_for_large_buffers()) {
    std::cout << "skipped: " << *reason << std::endl;
    return;
  }
  const SparseFloats data(large_count);
  check_large_buffers(*world.make_communicator(), data.span(), large_slices_too());
}

void lose_last_worker(MpiWorld& world, int signal, int ranks_per_node, const CommunicatorOptions& options) {
  WorkerGroups groups = make_groups(world, ranks_per_node);
  const auto communicator = ranks_per_node > 0 ? make_hierarchy(groups, true, options) : std::move(groups.everybody);
  const auto other = world.make_communicator();
  std::signal(SIGTERM, SIG_IGN);  // mpirun's, to the survivors: they shall end by themselves
  std::vector<float> data(100);
  for (int i = 0; i < 100; ++i) communicator->all_reduce(std::span(data));
  if (world.rank() == world.size() - 1) raise(signal);
  const Timer timer;
  try {
    communicator->all_reduce(std::span(data));
  } catch (const Error& error) {
    const double seconds = timer.seconds();
    int failed_again = 0;
    for (Communicator* each : {communicator.get(), other.get()}) {
      try {
        each->barrier();
      } catch (const Error&) {
        ++failed_again;
      }
    }
    std::cout << concat("worker ", world.rank(), " ends with code ", static_cast<int>(error.code()), ": ", error.what(),
                        " [after ", seconds, " s; ", failed_again, " of 2 further calls failed, after ",
                        timer.seconds() - seconds, " s]\n")
              << std::flush;
    world.abort(static_cast<int>(error.code()));
  }
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "cases";
  const int ranks_per_node = argc > 2 ? std::atoi(argv[2]) : 0;
  const bool loses = mode == "killed" || mode == "stopped";
  const convoy::CommunicatorOptions options{.timeout = std::chrono::duration<double>(loses ? 0.5 : 600)};
  convoy::MpiWorld world(options);
  try {
    if (mode == "cases") convoy::run_cases(world);
    if (mode == "large") convoy::run_large(world);
    if (mode == "nodes") {
      convoy::run_cases_of_nodes(world, ranks_per_node);
      convoy::run_exchanges_of_nodes(world, ranks_per_node);
    }
    if (loses) {
      convoy::lose_last_worker(world, mode == "killed" ? SIGKILL : SIGSTOP, ranks_per_node, options);
      world.abandon();  // mpirun has woken the stopped one
    }
  } catch (const std::exception& error) {
    std::cerr << convoy::concat("worker ", world.rank(), ": ", error.what(), "\n");
    world.abort(1);
  }
}
