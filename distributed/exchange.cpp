// What happens to a bucket: reduce | across | update and gather. With one node this is one stage, else each part is a
// stage of its own. Parts of a slice are sent across in both directions, so what lies between, the update, is then done
// in the stage that owns that communicator.
//
// Communicators and arena belong to the stages from begin() until the last bucket has passed, and to the caller
// otherwise. After an error the exchange stays broken: every later call rethrows it.
#include "distributed/exchange.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"
#include "distributed/stages.hpp"

namespace convoy {

std::vector<size_t> bucket_borders(const SegmentTable& table, size_t bucket_bytes) {
  // Whole alignment units, so that a bucket cut inside a segment starts on a 256-byte border as well.
  constexpr size_t unit = SegmentTable::alignment;
  const size_t units = (bucket_bytes / sizeof(float) + unit - 1) / unit;
  const size_t least = std::max<size_t>(units, 1) * unit;

  std::vector<size_t> borders{0};
  const auto& segments = table.segments();
  for (size_t i = 0; i < segments.size(); ++i) {
    const size_t end = i + 1 < segments.size() ? segments[i + 1].offset : table.size();
    while (end - borders.back() >= 2 * least) borders.push_back(borders.back() + least);
    if (end - borders.back() >= least) borders.push_back(end);
  }
  if (borders.back() < table.size()) borders.push_back(table.size());
  return borders;
}

struct Exchange::Impl {
  Impl(const ExchangePaths& paths_in, const ParameterArena& arena_in, const Optimizer& optimizer_in,
       const ExchangeOptions& options_in, Progress* progress_in)
      : paths(paths_in),
        options(options_in),
        arena(arena_in),
        optimizer(optimizer_in),
        progress(progress_in),
        borders(bucket_borders(arena.table(), options.bucket_bytes)) {
    if (optimizer.norm_need() != NormNeed::none) sums.emplace(arena.table(), optimizer.norm_need());
    // Norms are summed over whole blocks, which a slice must not cut.
    const size_t grain = sums ? SegmentTable::alignment : 16;
    const int columns = paths.columns > 0 ? paths.columns : paths.reduce.size();
    for (size_t b = 0; b < buckets(); ++b) {
      slices.push_back(Slices::even(borders[b], borders[b + 1], columns, grain).padded_to(paths.reduce.size()));
      const Range slice = slice_of(slices.back(), paths.reduce);
      if (in_parts()) {
        parts.push_back(Slices::even(slice.begin, slice.end, paths.across->size(), grain));
        mine.push_back(slice_of(parts.back(), *paths.across));
      } else {
        mine.push_back(slice);
      }
    }
    std::vector<StageLine::Work> stages;
    if (paths.many_nodes) {
      stages = {[this](size_t b) { reduce(b); }, [this](size_t b) { sum_across(b); }, [this](size_t b) { finish(b); }};
    } else {
      stages = {[this](size_t b) {
        if (sums) {
          reduce(b);
        } else {
          reduce_and_update(b);
        }
        finish(b);
      }};
    }
    seconds.resize(stages.size());
    line.emplace(buckets(), std::move(stages));
  }

  struct Range {
    size_t begin = 0, end = 0;
  };
  /// Of one stage, so that no two threads add to the same number.
  struct Seconds {
    double exchange = 0, update = 0;
  };

  static Range slice_of(const Slices& cut, const Communicator& communicator) {
    const auto rank = static_cast<size_t>(communicator.rank());
    return {cut.borders[rank], cut.borders[rank + 1]};
  }

  size_t buckets() const { return borders.size() - 1; }
  bool in_parts() const { return paths.across != nullptr && options.across_nodes == AcrossNodes::parts; }

  void begin_bucket(size_t bucket) {
    if (progress != nullptr) progress->bucket = static_cast<int>(bucket);
  }

  void reduce(size_t bucket) {
    begin_bucket(bucket);
    const Timer timer;
    // Between nodes gradients may be rounded; within one they are where they are.
    paths.reduce.reduce_scatter(arena.gradients(), slices[bucket], options.wire);
    seconds.front().exchange += timer.seconds();
  }

  /// Sums that need no journey across nodes are used as they come, and are never written to memory.
  void reduce_and_update(size_t bucket) {
    begin_bucket(bucket);
    const Timer timer;
    double updating = 0;
    paths.reduce.reduce_scatter(arena.gradients(), slices[bucket], options.wire,
                                [&](size_t begin, std::span<const float> gradients) {
                                  const Timer part;
                                  optimizer.update(arena, begin, gradients, step);
                                  updating += part.seconds();
                                });
    seconds.front().exchange += timer.seconds() - updating;
    seconds.front().update += updating;
  }

  void sum_across(size_t bucket) {
    if (paths.across == nullptr) return;
    const Timer timer;
    if (in_parts()) {
      paths.across->reduce_scatter(arena.gradients(), parts[bucket], options.wire);
    } else {
      const Range slice = mine[bucket];
      paths.across->all_reduce(arena.gradients().subspan(slice.begin, slice.end - slice.begin), options.wire);
    }
    seconds[1].exchange += timer.seconds();
    if (in_parts() && !sums) {
      update(bucket, seconds[1]);
      gather_across(arena.weights(), bucket, seconds[1]);
    }
  }

  void finish(size_t bucket) {
    const bool last = bucket + 1 == buckets();
    if (!sums) {
      if (paths.many_nodes && !in_parts()) update(bucket, seconds.back());
      gather(arena.weights(), bucket, seconds.back());
    } else {
      const Timer timer;
      sums->add(arena, mine[bucket].begin, mine[bucket].end);
      seconds.back().update += timer.seconds();
      if (last) {
        sum_norms();
        // No bucket is left in the stage across.
        for (size_t b = 0; b < buckets(); ++b) {
          update(b, seconds.back());
          gather_across(arena.weights(), b, seconds.back());
          gather(arena.weights(), b, seconds.back());
        }
      }
    }
    if (last && progress != nullptr) progress->bucket = -1;
  }

  /// What the updates of this step have to wait for: every worker's part of the norms. Copies of a slice on other nodes
  /// count once.
  void sum_norms() {
    const Timer timer;
    const bool whole_on_each_node = paths.many_nodes && options.across_nodes == AcrossNodes::copies;
    Communicator& those_that_differ = whole_on_each_node ? paths.gather : paths.everybody;
    those_that_differ.all_reduce(sums->words(), ReduceOp::sum);
    step.norms = sums->norms();
    seconds.back().exchange += timer.seconds();
  }

  void update(size_t bucket, Seconds& spent) {
    const Timer timer;
    optimizer.update(arena, mine[bucket].begin, mine[bucket].end, step);
    spent.update += timer.seconds();
  }

  /// What this worker has changed in a bucket, to those with the same slice; what they have changed, from them.
  void gather_across(std::span<float> data, size_t bucket, Seconds& spent) {
    if (!in_parts()) return;
    const Timer timer;
    paths.across->all_gather(data, parts[bucket]);
    spent.exchange += timer.seconds();
  }

  /// The slices of a bucket, to everybody of the node.
  void gather(std::span<float> data, size_t bucket, Seconds& spent) {
    const Timer timer;
    paths.gather.all_gather(data, slices[bucket]);
    spent.exchange += timer.seconds();
  }

  // Returns when the stages are idle and the communicators the caller's.
  void wait() {
    if (in_step && line->released() < buckets()) {
      fail(ExitCode::internal, "step ", step.step, " ended with gradients ready up to ", watermark, " of ",
           arena.table().size(), ": please report this defect in Convoy");
    }
    line->wait();
    in_step = false;
  }

  const ExchangePaths paths;
  const ExchangeOptions options;
  ParameterArena arena;
  const Optimizer& optimizer;
  Progress* progress;
  std::vector<size_t> borders;
  std::vector<Slices> slices;    // of each bucket, over the ranks of `reduce`
  std::vector<Slices> parts;     // of this worker's slice of each bucket, over the ranks of `across`
  std::vector<Range> mine;       // what this worker updates of each bucket
  std::optional<NormSums> sums;  // of that, if the optimizer needs norms

  size_t watermark = 0;
  bool in_step = false;
  UpdateStep step;
  std::vector<Seconds> seconds;   // of each stage; the last one's also finish()
  std::optional<StageLine> line;  // last: its threads use all of the above
};

Exchange::Exchange(const ExchangePaths& paths, const ParameterArena& arena, const Optimizer& optimizer,
                   const ExchangeOptions& options, Progress* progress)
    : impl_(std::make_unique<Impl>(paths, arena, optimizer, options, progress)) {}

Exchange::~Exchange() = default;

void Exchange::begin(int64_t step, float rate) {
  Impl& impl = *impl_;
  impl.wait();
  impl.step = {.step = step, .rate = rate};
  if (impl.sums) impl.sums->clear();
  impl.watermark = 0;
  impl.in_step = true;
  std::ranges::fill(impl.seconds, Impl::Seconds());
  if (impl.progress != nullptr) impl.progress->step = step;
  impl.line->begin();
}

void Exchange::ready(size_t end) {
  Impl& impl = *impl_;
  impl.watermark = end;
  const auto whole = std::ranges::upper_bound(impl.borders, end) - impl.borders.begin() - 1;
  impl.line->release(static_cast<size_t>(whole));
}

void Exchange::finish(std::span<double> totals) {
  impl_->wait();
  const Timer timer;
  impl_->paths.everybody.all_reduce(totals, ReduceOp::sum);
  impl_->seconds.back().exchange += timer.seconds();
}

double Exchange::exchange_seconds() const {
  double sum = 0;
  for (const Impl::Seconds& stage : impl_->seconds) sum += stage.exchange;
  return sum;
}

double Exchange::update_seconds() const {
  double sum = 0;
  for (const Impl::Seconds& stage : impl_->seconds) sum += stage.update;
  return sum;
}

void Exchange::gather_state() {
  Impl& impl = *impl_;
  impl.wait();
  for (int slot = 0; slot < impl.arena.slots(); ++slot) {
    for (size_t bucket = 0; bucket < impl.buckets(); ++bucket) {
      impl.gather_across(impl.arena.slot(slot), bucket, impl.seconds.back());
      impl.gather(impl.arena.slot(slot), bucket, impl.seconds.back());
    }
  }
}

}  // namespace convoy
