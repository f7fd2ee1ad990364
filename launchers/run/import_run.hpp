// An import among the workers that were started: the steps of io/importers/import.hpp, with everybody's errors agreed.
#pragma once

#include "io/importers/import.hpp"
#include "launchers/run/console.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

struct ImportResult {
  ImportSummary summary;  // of the first worker; empty on others
  int64_t made = 0;       // samples read by all workers now, skipped ones included
  double seconds = 0;     // of making shards
};

/// Collective. options.rank, workers and threads are filled in here; threads 0 means this worker's share. Setting
/// `progress.stop` on any worker ends all by Error(preempted).
ImportResult run_import_job(Worker& worker, Console& console, SourceOptions source, ImportOptions options,
                            ImportProgress& progress);

}  // namespace convoy
