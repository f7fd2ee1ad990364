// Every algorithm is a way to sum the first n floats of a buffer over all workers, on communicators made once.
#include "launchers/run/allreduce_timing.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/base/median.hpp"
#include "core/base/text.hpp"
#include "core/base/timer.hpp"
#include "core/device/device.hpp"
#include "distributed/fabric.hpp"
#include "distributed/hierarchical_comm.hpp"
#include "distributed/mpi_reference.hpp"

namespace convoy {
namespace {

struct Algorithm {
  std::string name;
  std::span<float> data;                     // the largest buffer
  std::function<void(size_t elements)> run;  // on the first so many
};

class Bench {
 public:
  Bench(Worker& worker, const AllreduceOptions& options)
      : worker_(worker),
        options_(options),
        device_(make_cpu_device()),
        groups_(worker.make_groups(options.ranks_per_node)) {
    const auto bytes = static_cast<size_t>(options.most_bytes);
    private_ = DeviceBuffer(*device_, bytes, "a buffer to reduce");
    const std::span<float> plain(reinterpret_cast<float*>(private_.data()), bytes / sizeof(float));
    for (const std::string& name : wanted()) {
      if (name == "mpi") {
        algorithms_.push_back({name, plain, [this, plain](size_t n) { mpi_all_reduce(plain.first(n), 0); }});
      } else if (name == "mpi-pieces") {
        algorithms_.push_back({name, plain, [this, plain](size_t n) {
                                 mpi_all_reduce(plain.first(n), static_cast<size_t>(options_.piece_bytes));
                               }});
      } else {
        Communicator& communicator = name.starts_with("flat") ? *groups_.all_slices : hierarchical();
        const Wire wire = name.ends_with("bf16") ? Wire::bf16 : Wire::fp32;
        const std::span<float> data = name.starts_with("flat") || !window_ ? plain : window_data();
        algorithms_.push_back(
            {name, data, [&communicator, data, wire](size_t n) { communicator.all_reduce(data.first(n), wire); }});
      }
    }
  }

  AllreduceTiming run() {
    AllreduceTiming timing{.workers = groups_.topology.text(), .size = worker_.size(), .problem = problem_};
    for (int64_t bytes = options_.least_bytes; bytes <= options_.most_bytes; bytes *= options_.factor) {
      const size_t elements = std::max<size_t>(1, static_cast<size_t>(bytes) / sizeof(float));
      std::vector<std::vector<double>> seconds(algorithms_.size());
      std::vector<int64_t> wrong, repeats;
      for (const Algorithm& algorithm : algorithms_) {
        wrong.push_back(count_wrong(algorithm, elements));
        const double once = time(algorithm, elements, 1);
        repeats.push_back(std::clamp<int64_t>(std::llround(options_.seconds / once), 1, 10'000));
      }
      for (int64_t round = 0; round < options_.rounds; ++round) {
        for (size_t i = 0; i < algorithms_.size(); ++i) {
          seconds[i].push_back(time(algorithms_[i], elements, repeats[i]));
        }
      }
      for (size_t i = 0; i < algorithms_.size(); ++i) {
        timing.rows.push_back(
            {.algorithm = algorithms_[i].name, .bytes = bytes, .seconds = median(seconds[i]), .wrong = wrong[i]});
      }
    }
    return timing;
  }

 private:
  std::vector<std::string> wanted() const {
    if (!options_.algorithms.empty()) return options_.algorithms;
    std::vector<std::string> names = allreduce_algorithms();
    // Within one node nothing crosses between processes that could be rounded.
    if (groups_.topology.nodes() == 1) std::erase(names, "hierarchical-bf16");
    return names;
  }

  /// Made when first asked for.
  Communicator& hierarchical() {
    if (hierarchical_) return *hierarchical_;
    if (groups_.node->size() > 1) {
      window_ = SharedWindow::make(*groups_.node, {.own_bytes = static_cast<size_t>(options_.most_bytes)},
                                   {.timeout = std::chrono::duration<double>(options_.timeout)}, problem_);
    }
    std::unique_ptr<Communicator> inner = window_ ? window_->make_communicator() : std::move(groups_.node_again);
    if (groups_.topology.nodes() == 1) {
      hierarchical_ = std::move(inner);
    } else {
      hierarchical_ = std::make_unique<HierarchicalComm>(std::move(inner), std::move(groups_.across));
    }
    return *hierarchical_;
  }

  std::span<float> window_data() const {
    return {reinterpret_cast<float*>(window_->own().data()), window_->own().size() / sizeof(float)};
  }

  /// Small whole numbers, whose sums bf16 holds exactly for up to a few dozen workers.
  static float value(size_t i) { return static_cast<float>(i % 7); }

  int64_t count_wrong(const Algorithm& algorithm, size_t elements) {
    for (size_t i = 0; i < elements; ++i) algorithm.data[i] = value(i);
    algorithm.run(elements);
    const auto workers = static_cast<float>(worker_.size());
    int64_t wrong = 0;
    for (size_t i = 0; i < elements; ++i)
      wrong += std::abs(algorithm.data[i] - workers * value(i)) > tolerance(algorithm);
    // Sums of sums would grow beyond all bounds while they are timed.
    std::fill_n(algorithm.data.begin(), elements, 0.0f);
    worker_.control().all_reduce(std::span(&wrong, 1), ReduceOp::sum);
    return wrong;
  }

  /// bf16 keeps 8 bits: what is rounded on the way is off by up to a 256th.
  float tolerance(const Algorithm& algorithm) const {
    return algorithm.name.ends_with("bf16") ? 6.0f * static_cast<float>(worker_.size()) / 128 : 0;
  }

  /// Seconds of one all-reduce, the mean of `repeats` in a row; of the slowest worker.
  double time(const Algorithm& algorithm, size_t elements, int64_t repeats) {
    worker_.control().barrier();
    const Timer timer;
    for (int64_t i = 0; i < repeats; ++i) algorithm.run(elements);
    double seconds = timer.seconds() / static_cast<double>(repeats);
    worker_.control().all_reduce(std::span(&seconds, 1), ReduceOp::max);
    return seconds;
  }

  Worker& worker_;
  const AllreduceOptions& options_;
  std::unique_ptr<Device> device_;
  WorkerGroups groups_;
  DeviceBuffer private_;
  std::unique_ptr<SharedWindow> window_;
  std::unique_ptr<Communicator> hierarchical_;
  std::string problem_;
  std::vector<Algorithm> algorithms_;
};

}  // namespace

const std::vector<std::string>& allreduce_algorithms() {
  static const std::vector<std::string> names{"mpi",       "mpi-pieces",   "flat",
                                              "flat-bf16", "hierarchical", "hierarchical-bf16"};
  return names;
}

void check_algorithms(Worker& worker, const std::string& bench, const std::vector<std::string>& algorithms) {
  worker.together([&] {
    if (worker.size() == 1) {
      fail(ExitCode::usage, "bench ", bench,
           ": there is one worker, which has nobody to sum with; start several: ", "mpirun -np 4 convoy bench ", bench);
    }
    for (const std::string& name : algorithms) {
      if (std::ranges::count(allreduce_algorithms(), name) > 0) continue;
      fail(ExitCode::usage, "algorithms: ", name, " is not one of ", join(allreduce_algorithms(), ", "));
    }
  });
}

AllreduceTiming time_allreduce(Worker& worker, const AllreduceOptions& options) {
  check_algorithms(worker, "allreduce", options.algorithms);
  return Bench(worker, options).run();
}

}  // namespace convoy
