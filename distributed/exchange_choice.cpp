#include "distributed/exchange_choice.hpp"

#include <algorithm>
#include <new>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"

namespace convoy {
namespace {

constexpr size_t usual_bucket = size_t{4} << 20;
constexpr size_t bucket_sizes[] = {size_t{1} << 20, usual_bucket, size_t{16} << 20, size_t{64} << 20};
constexpr double slow_exchange = 0.5;  // seconds
constexpr double about_as_fast = 1.05;

/// Stands for any optimizer: what is measured is how data moves.
class NoUpdate : public Optimizer {
 public:
  std::vector<std::string> slots() const override { return {}; }
  void update(const ParameterArena&, size_t, std::span<const float>, const UpdateStep&) const override {}
};

/// A kind of exchange set up for measuring.
class Trial {
 public:
  Trial(WorkerGroups& groups, ExchangeKind kind, const ExchangeQuestion& question)
      : groups_(groups),
        question_(question),
        table_(table_of(question.elements)),
        fabric_(groups, kind,
                {.common_bytes = ParameterArena::common_bytes(table_, 0),
                 .own_bytes = ParameterArena::gradient_bytes(table_)},
                question.communicator) {
    if (!fabric_.shares_memory()) storage_.resize(ParameterArena::bytes(table_, 0) / sizeof(Line) + 1);
  }

  /// Seconds of one exchange, of the slowest worker: the best of `times`.
  double seconds(size_t bucket_bytes, int times) {
    const auto storage = std::as_writable_bytes(std::span(storage_));
    const ParameterArena arena = fabric_.shares_memory() ? ParameterArena(table_, 0, fabric_.common(), fabric_.own())
                                                         : ParameterArena(table_, 0, storage);
    const NoUpdate optimizer;
    Exchange exchange(fabric_.paths(), arena, optimizer,
                      {.bucket_bytes = bucket_bytes, .wire = question_.wire, .across_nodes = question_.across_nodes});
    double best = 1e300;
    for (int i = 0; i < times; ++i) {
      groups_.everybody->barrier();
      const Timer timer;
      exchange.begin(0, 0);
      exchange.ready(table_.size());
      exchange.finish({});
      best = std::min(best, timer.seconds());
    }
    groups_.everybody->all_reduce(std::span(&best, 1), ReduceOp::max);
    return best;
  }

 private:
  struct alignas(256) Line {
    std::byte bytes[256];
  };
  static SegmentTable table_of(size_t elements) {
    SegmentTable table;
    table.add({.name = "all", .shape = Shape({static_cast<int64_t>(elements)})});
    return table;
  }

  WorkerGroups& groups_;
  const ExchangeQuestion& question_;
  SegmentTable table_;
  Fabric fabric_;
  std::vector<Line> storage_;
};

const char* name_of(ExchangeKind kind) {
  return kind == ExchangeKind::flat ? "flat" : "hierarchical";
}

/// The first run touches memory and opens connections for the first time, and does not count.
double first_seconds(Trial& trial) {
  const double first = trial.seconds(usual_bucket, 1);
  return first > slow_exchange ? first : trial.seconds(usual_bucket, 3);
}

}  // namespace

std::string ExchangeChoice::text() const {
  return concat(name_of(kind), ", ", bucket_bytes);
}

ExchangeChoice ExchangeChoice::parse(const std::string& text, const std::string& source) {
  std::istringstream in(text);
  std::string name;
  ExchangeChoice choice;
  in >> name >> choice.bucket_bytes;
  choice.kind = name == "flat," ? ExchangeKind::flat : ExchangeKind::hierarchical;
  // That it reads as it was written also refuses "-5", which a stream takes for 2^64 - 5, and what follows a number.
  if (!in || choice.bucket_bytes == 0 || choice.text() != text) {
    fail(ExitCode::data, source, ": '", text, "' is not a kind of exchange and a bucket size; remove the file");
  }
  return choice;
}

ExchangeChoice choose_exchange(WorkerGroups& groups, const ExchangeQuestion& question) {
  ExchangeChoice choice;
  if (question.kind != nullptr) choice.kind = *question.kind;
  choice.bucket_bytes = question.bucket_bytes > 0 ? question.bucket_bytes : usual_bucket;
  const bool kind_is_open = question.kind == nullptr && groups.topology.nodes() > 1;
  const bool bucket_is_open = question.bucket_bytes == 0 && question.elements * sizeof(float) > bucket_sizes[0];
  if (!kind_is_open && !bucket_is_open) return choice;

  auto trial = std::make_unique<Trial>(groups, choice.kind, question);
  double best = first_seconds(*trial);
  if (kind_is_open) {
    trial.reset();  // the memory of one at a time
    trial = std::make_unique<Trial>(groups, ExchangeKind::flat, question);
    const double flat = first_seconds(*trial);
    if (flat < best) {
      choice.kind = ExchangeKind::flat;
      best = flat;
    } else if (bucket_is_open && best <= slow_exchange) {
      trial.reset();
      trial = std::make_unique<Trial>(groups, choice.kind, question);
    }
  }
  if (!bucket_is_open || best > slow_exchange) return choice;

  std::vector<std::pair<size_t, double>> measured;
  for (const size_t bucket : bucket_sizes) {
    measured.emplace_back(bucket, trial->seconds(bucket, 4));
    if (bucket >= question.elements * sizeof(float)) break;  // larger ones are the same
  }
  const double fastest = std::ranges::min_element(measured, {}, &std::pair<size_t, double>::second)->second;
  choice.bucket_bytes =
      std::ranges::find_if(measured, [&](const auto& one) { return one.second <= about_as_fast * fastest; })->first;
  return choice;
}

}  // namespace convoy
