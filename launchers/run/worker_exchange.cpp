#include "launchers/run/worker_exchange.hpp"

#include "core/base/text.hpp"
#include "core/ops/tuning.hpp"

namespace convoy {
namespace {

/// What is measured between the same groups of workers can be used again.
std::string tuning_key(const Topology& topology, size_t elements, const TrainOptions& options) {
  return concat("exchange ", topology.text(), ", ", elements, " elements, ", options.exchange, ", ",
                options.exchange_dtype, options.shard_optimizer ? ", sharded" : "", ", buckets ", options.bucket_bytes);
}

}  // namespace

WorkerExchange::WorkerExchange(Worker& worker, const TrainOptions& options)
    : worker_(worker),
      options_(options),
      communicator_{.timeout = std::chrono::duration<double>(options.timeout)},
      groups_(worker.make_groups(options.ranks_per_node)) {
  worker_.together([&] {
    if (!options_.exact || options_.exchange != "hierarchical" || topology().follows_tree()) return;
    fail(ExitCode::usage, "exact on: ", topology().text(),
         " cannot be summed node by node along the tree that exact needs (equal nodes of 1, 2, 4, 8, ... neighbouring ",
         "ranks can); use --exchange flat, or place the workers so");
  });
}

ExchangeOptions WorkerExchange::exchange_options() const {
  return {.bucket_bytes = choice_.bucket_bytes,
          .wire = options_.exchange_dtype == "bf16" ? Wire::bf16 : Wire::fp32,
          .across_nodes = options_.shard_optimizer ? AcrossNodes::parts : AcrossNodes::copies};
}

void WorkerExchange::choose(size_t elements, Tuning* tuning) {
  std::optional<ExchangeKind> kind;
  if (options_.exchange == "flat") kind = ExchangeKind::flat;
  if (options_.exchange == "hierarchical") kind = ExchangeKind::hierarchical;
  if (!tuning && !kind) kind = topology().follows_tree() ? ExchangeKind::hierarchical : ExchangeKind::flat;
  const auto bucket_bytes = static_cast<size_t>(options_.bucket_bytes);
  if (!tuning) {
    choice_ = {.kind = *kind, .bucket_bytes = bucket_bytes > 0 ? bucket_bytes : ExchangeChoice().bucket_bytes};
    return;
  }
  const std::string key = tuning_key(topology(), elements, options_);
  const std::string known = worker_.control().broadcast_text(worker_.leader() ? tuning->kept(key) : "", 0);
  if (!known.empty()) {
    worker_.together([&] { choice_ = ExchangeChoice::parse(known, options_.run + "/tuning.json"); });
    return;
  }
  const ExchangeOptions open = exchange_options();
  choice_ = choose_exchange(groups_, {.elements = elements,
                                      .wire = open.wire,
                                      .across_nodes = open.across_nodes,
                                      .communicator = communicator_,
                                      .kind = kind ? &*kind : nullptr,
                                      .bucket_bytes = bucket_bytes});
  tuning->keep(key, choice_.text());
  tuning->kept(key);  // used, and so told in the run's tuning.json
}

int WorkerExchange::sharers() const {
  return choice_.kind == ExchangeKind::hierarchical ? topology().local_size(worker_.rank()) : 1;
}

void WorkerExchange::allocate(Model& model) {
  fabric_.emplace(groups_, choice_.kind,
                  WindowSize{.common_bytes = model.common_bytes(), .own_bytes = model.gradient_bytes()}, communicator_);
  ModelMemory memory{.common = fabric_->common(), .gradients = fabric_->own()};
  if (fabric_->shares_memory()) {
    Communicator& node = fabric_->paths().gather;
    memory.team = {.rank = node.rank(), .size = node.size(), .meet = [&node] { node.barrier(); }};
  }
  worker_.together([&] { model.allocate(memory); });
}

void WorkerExchange::share_parameters(const ParameterArena& arena) {
  // To the first worker of each node, in whose column the first of all is, and from there to the others of the node.
  if (topology().local(worker_.rank()) == 0 && groups_.across) broadcast_parameters(arena, *groups_.across);
  if (!fabric_->shares_memory()) broadcast_parameters(arena, *groups_.node);
  groups_.everybody->barrier();
}

std::unique_ptr<GradientSink> WorkerExchange::make_sink(const ParameterArena& arena, const Optimizer& optimizer,
                                                        Progress& progress) {
  return std::make_unique<Exchange>(fabric_->paths(), arena, optimizer, exchange_options(), &progress);
}

std::string WorkerExchange::describe() const {
  std::string text = concat(fabric_->describe(), ", buckets of ", human_bytes(choice_.bucket_bytes));
  if (options_.exchange_dtype == "bf16") text += ", gradients in bf16 between processes";
  if (options_.shard_optimizer && topology().nodes() > 1) text += ", optimizer state in parts";
  return text;
}

}  // namespace convoy
