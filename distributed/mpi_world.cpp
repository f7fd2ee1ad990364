// MPI from start to end. What MPI can only do blocking (start, finish, abort) is watched by a thread that ends the
// process when it takes too long.
#include "distributed/mpi_world.hpp"

#include <mpi.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "core/base/error.hpp"
#include "distributed/launch.hpp"
#include "distributed/mpi_comm.hpp"
#include "distributed/topology.hpp"

namespace convoy {
namespace {

using Seconds = std::chrono::duration<double>;

// Ends the process unless destroyed in time.
class ExitTimer {
 public:
  ExitTimer(Seconds limit, const char* doing)
      : thread_([this, limit, doing] {
          std::unique_lock lock(mutex_);
          if (changed_.wait_for(lock, limit, [this] { return done_; })) return;
          std::cerr << "convoy: " << doing << " did not end within " << limit.count()
                    << " s: a worker is lost or stuck; see the launcher's messages, or set a larger timeout\n";
          _exit(static_cast<int>(ExitCode::peer_lost));
        }) {}
  ~ExitTimer() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  ExitTimer(const ExitTimer&) = delete;
  ExitTimer& operator=(const ExitTimer&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail(ExitCode::internal, call, ": ", text, "; `mpirun -n 2 hostname` tells if MPI works here");
}

}  // namespace

bool launched_by_mpi() {
  return this_launch().by_mpi;
}

MpiWorld::MpiWorld(const CommunicatorOptions& options) : options_(options), state_(std::make_shared<MpiState>()) {
  // Workers may start minutes apart where nodes boot; a timeout meant for one operation is too strict here.
  const ExitTimer timer(5 * options.timeout, "the start of MPI");
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_SERIALIZED) {
    fail(ExitCode::internal, "this MPI library offers thread level ", provided,
         ", Convoy needs MPI_THREAD_SERIALIZED (", MPI_THREAD_SERIALIZED, "): use an MPI built with thread support");
  }
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  if (const std::string mismatch = world_mismatch(this_launch(), size_); !mismatch.empty()) {
    fail(ExitCode::usage, mismatch);
  }

  MPI_Comm node = MPI_COMM_NULL;
  check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
  check(MPI_Comm_rank(node, &local_rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(node, &local_size_), "MPI_Comm_size");
  int first_of_node = rank_;  // stands for the machine
  check(MPI_Bcast(&first_of_node, 1, MPI_INT, 0, node), "MPI_Bcast");
  check(MPI_Comm_free(&node), "MPI_Comm_free");
  machines_.resize(static_cast<size_t>(size_));
  check(MPI_Allgather(&first_of_node, 1, MPI_INT, machines_.data(), 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather");
}

MpiWorld::~MpiWorld() {
  if (abandoned_ || !state_->failure.empty()) return;
  const ExitTimer timer(options_.timeout, "the end of MPI");
  MPI_Finalize();
}

std::unique_ptr<Communicator> MpiWorld::make_communicator(int group) {
  const ExitTimer timer(5 * options_.timeout, "the making of a communicator");
  return make_mpi_communicator(state_, options_, group, Topology(machines_, 0).text());
}

void MpiWorld::abort(int code) noexcept {
  try {
    std::thread([code] {
      std::this_thread::sleep_for(std::chrono::seconds(2));
      _exit(code);
    }).detach();
    // Another thread may be inside MPI, where two are not allowed; never given back, so that nobody enters any more.
    if (!state_->mutex.try_lock_for(std::chrono::seconds(1))) _exit(code);
    MPI_Abort(MPI_COMM_WORLD, code);
  } catch (...) {
  }
  _exit(code);
}

}  // namespace convoy
