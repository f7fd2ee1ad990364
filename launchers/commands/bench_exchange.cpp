// convoy bench allreduce, in the columns of NVIDIA's nccl-tests, and convoy bench exchange.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/run/exchange_timing.hpp"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

std::string number(const char* format, double value) {
  char cell[80];
  std::snprintf(cell, sizeof cell, format, value);
  return cell;
}

/// Bytes a second as nccl-tests has it: of the buffer, and of what each rank must move at least for it.
double algorithm_bandwidth(const AllreduceRow& row) {
  return static_cast<double>(row.bytes) / row.seconds;
}
double bus_bandwidth(const AllreduceRow& row, int workers) {
  return algorithm_bandwidth(row) * 2 * (workers - 1) / workers;
}

void print_json(const AllreduceTiming& timing) {
  Json rows = Json::array();
  for (const AllreduceRow& row : timing.rows) {
    rows.push_back({{"algorithm", row.algorithm},
                    {"bytes", row.bytes},
                    {"seconds", row.seconds},
                    {"algorithm_bandwidth", algorithm_bandwidth(row)},
                    {"bus_bandwidth", bus_bandwidth(row, timing.size)},
                    {"wrong", row.wrong}});
  }
  std::puts(Json{{"workers", timing.size}, {"topology", timing.workers}, {"rows", rows}}.dump().c_str());
}

void print_opening(const AllreduceTiming& timing) {
  std::printf("%s\n", timing.workers.c_str());
  if (!timing.problem.empty()) std::printf("%s\n", timing.problem.c_str());
}

void print_allreduce(const AllreduceTiming& timing) {
  print_opening(timing);
  constexpr auto right = Table::Align::right;
  Table table({{"size B", right},
               {"count", right},
               {"type"},
               {"redop"},
               {"time us", right},
               {"algbw GB/s", right},
               {"busbw GB/s", right},
               {"#wrong", right},
               {"algorithm"}});
  for (const AllreduceRow& row : timing.rows) {
    table.row({std::to_string(row.bytes), std::to_string(row.bytes / 4), "float", "sum",
               number("%.1f", row.seconds * 1e6), number("%.3f", algorithm_bandwidth(row) / 1e9),
               number("%.3f", bus_bandwidth(row, timing.size) / 1e9), std::to_string(row.wrong), row.algorithm});
  }
  std::fputs(table.text().c_str(), stdout);
}

void print_exchange(const AllreduceTiming& timing) {
  print_opening(timing);
  constexpr auto right = Table::Align::right;
  Table table({{"exchange and update"}, {"ms", right}, {"times as fast as the first", right}});
  for (const AllreduceRow& row : timing.rows) {
    table.row(
        {row.algorithm, number("%.2f", row.seconds * 1e3), number("%.2f", timing.rows.front().seconds / row.seconds)});
  }
  std::fputs(table.text().c_str(), stdout);
}

constexpr double largest = 1e12;

/// One of the two commands: the keys that both know, then the work. `print` is for the first worker, without --json.
template <typename Options, typename Time, typename Print>
int run_between_workers(OptionSet& set, Options& options, const Arguments& arguments, const char* name,
                        const Time& time, const Print& print) {
  std::string algorithms;
  bool json = false;
  set.text("algorithms", algorithms, "A[,A..]", "of " + join(allreduce_algorithms(), ", ") + " (default all)");
  set.integer("rounds", options.rounds, {.least = 1, .most = 1e6}, "that medians are taken over");
  set.integer("piece-bytes", options.piece_bytes, {.least = 4, .most = largest}, "of mpi-pieces");
  set.integer("ranks-per-node", options.ranks_per_node, {.least = 0, .most = 1 << 20}, "as of convoy train");
  set.number("timeout", options.timeout, {.least = 1}, "seconds after which a silent worker is given up");
  set.flag("json", json, "print the answer as one line of JSON");
  if (OptionSet::wants_help(arguments)) return launched_rank() == 0 ? show_help(set) : 0;
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  expect_no_words(flags, name);
  if (!algorithms.empty()) options.algorithms = split_commas(algorithms);
  Worker worker({.timeout = std::chrono::duration<double>(options.timeout)});
  return worker.guard([&] {
    const AllreduceTiming timing = time(worker, options);
    if (worker.leader()) json ? print_json(timing) : print(timing);
    return 0;
  });
}

}  // namespace

int run_bench_allreduce(const Arguments& arguments) {
  AllreduceOptions options;
  OptionSet set(
      "mpirun -np N convoy bench allreduce", "[--key value]... [--json]",
      "Times all-reduces of floats between workers, in the columns of nccl-tests: time of the slowest worker,\n"
      "bytes over time (algbw), and that times 2 (N - 1) / N (busbw), what each worker must move for it. The\n"
      "algorithms take turns; figures are medians over the rounds.");
  set.integer("min-bytes", options.least_bytes, {.least = 4, .most = largest}, "the smallest buffer");
  set.integer("max-bytes", options.most_bytes, {.least = 4, .most = largest}, "the largest buffer");
  set.integer("factor", options.factor, {.least = 2, .most = 1024}, "from one size to the next");
  set.number("seconds", options.seconds, {.least = 0}, "of one algorithm, size and round, about");
  return run_between_workers(set, options, arguments, "bench allreduce", time_allreduce, print_allreduce);
}

int run_bench_exchange(const Arguments& arguments) {
  ExchangeTimingOptions options;
  options.rounds = 9;
  OptionSet set(
      "mpirun -np N convoy bench exchange", "[--key value]... [--json]",
      "Times what a training step does with its gradients: sum them over the workers and update the weights,\n"
      "with momentum. mpi and mpi-pieces: all-reduce, then every worker updates everything; the others: as\n"
      "convoy train does it. The algorithms take turns; figures are medians over the rounds.");
  set.integer("bytes", options.bytes, {.least = 4, .most = largest}, "of gradients (AlexNet's)");
  set.integer("bucket-bytes", options.bucket_bytes, {.least = 1024}, "exchanged at a time");
  return run_between_workers(set, options, arguments, "bench exchange", time_exchange, print_exchange);
}

}  // namespace convoy
