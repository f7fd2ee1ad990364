// Ranks as processes, for tests in which one of them dies: forked, with a communicator over shared memory.
#pragma once

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <vector>

#include "distributed/communicator.hpp"

namespace convoy {

/// What a Watchdog's construction needs of a communicator, and no more.
class ProcessComm : public Communicator {
 public:
  struct Shared {
    pthread_barrier_t barrier;
    std::byte data[1 << 16];
  };

  ProcessComm(Shared* shared, int rank, int size) : shared_(shared), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string describe() const override { return "processes"; }
  void reduce_scatter(std::span<float>, const Slices&, Wire) override { throw std::logic_error("not for tests"); }
  void all_reduce(std::span<double>, ReduceOp) override { throw std::logic_error("not for tests"); }
  void barrier() override { pthread_barrier_wait(&shared_->barrier); }

  void all_gather(std::span<float> data, const Slices& slices, Wire) override {
    const auto all = std::span(reinterpret_cast<float*>(shared_->data), data.size());
    std::ranges::copy(slices.of(data, rank_), slices.of(all, rank_).begin());
    barrier();
    std::ranges::copy(all, data.begin());
    barrier();
  }

  void all_reduce(std::span<int64_t> data, ReduceOp) override {
    auto* all = reinterpret_cast<int64_t*>(shared_->data);
    std::ranges::copy(data, all + data.size() * static_cast<size_t>(rank_));
    barrier();
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] = 0;
      for (size_t r = 0; r < static_cast<size_t>(size_); ++r) data[i] += all[r * data.size() + i];
    }
    barrier();
  }

  void broadcast(std::span<std::byte> data, int root) override {
    if (rank_ == root) std::ranges::copy(data, shared_->data);
    barrier();
    std::copy_n(shared_->data, data.size(), data.begin());
    barrier();
  }

 private:
  Shared* shared_;
  int rank_, size_;
};

/// Forks `ranks` processes that run `run` and exit with what it returns (99 after an exception). Call it while the
/// process has one thread. `watch` may do something to them before they are waited for. Returns their wait statuses.
inline std::vector<int> run_processes(int ranks, const std::function<int(Communicator&)>& run,
                                      const std::function<void(const std::vector<pid_t>&)>& watch = {}) {
  void* memory = mmap(nullptr, sizeof(ProcessComm::Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* shared = new (memory) ProcessComm::Shared;
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->barrier, &attributes, static_cast<unsigned>(ranks));

  std::vector<pid_t> processes;
  for (int r = 0; r < ranks; ++r) {
    processes.push_back(fork());
    if (processes.back() != 0) continue;
    alarm(60);  // a child that hangs must not outlive the test
    int code = 99;
    try {
      ProcessComm communicator(shared, r, ranks);
      code = run(communicator);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "rank %d: %s\n", r, error.what());
    }
    _exit(code);
  }
  if (watch) watch(processes);
  std::vector<int> statuses;
  for (const pid_t process : processes) {
    statuses.push_back(-1);
    waitpid(process, &statuses.back(), 0);
  }
  munmap(memory, sizeof(ProcessComm::Shared));
  return statuses;
}

}  // namespace convoy
