// An import among several workers.
#include "launchers/run/import_run.hpp"

#include <array>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/text.hpp"
#include "core/base/timer.hpp"
#include "launchers/run/progress_text.hpp"

namespace convoy {
namespace {

/// Of all workers together.
struct Totals {
  int64_t done = 0, skipped = 0, planned = 0;
};

/// Runs an action in a thread of its own on every worker, while the workers go on telling each other how they are: who
/// waited in a collective call for hours would be taken for lost. The first failure stops all.
class Together {
 public:
  Together(Worker& worker, ImportProgress& progress) : worker_(worker), progress_(progress) {}

  void run(const std::function<void()>& action, const std::function<void(const Totals&)>& tick, int64_t planned = 0);

 private:
  enum Word { finished, failed, stopped, done, skipped, planned_samples, words };
  using Words = std::array<int64_t, words>;
  Words exchange(int64_t planned);

  Worker& worker_;
  ImportProgress& progress_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool finished_ = false;
  std::optional<Error> error_;
};

Together::Words Together::exchange(int64_t planned) {
  Words all{};
  {
    const std::lock_guard lock(mutex_);
    all[finished] = finished_;
    all[failed] = error_ && error_->code() != ExitCode::preempted;
  }
  all[stopped] = progress_.stop;
  all[done] = progress_.done;
  all[skipped] = progress_.skipped;
  all[planned_samples] = planned;
  worker_.control().all_reduce(std::span<int64_t>(all), ReduceOp::sum);
  if (all[failed] + all[stopped] > 0) progress_.stop = true;
  return all;
}

void Together::run(const std::function<void()>& action, const std::function<void(const Totals&)>& tick,
                   int64_t planned) {
  finished_ = false;
  error_.reset();
  std::jthread thread([&] {
    std::optional<Error> error;
    try {
      action();
    } catch (...) {
      error = current_error();
    }
    const std::lock_guard lock(mutex_);
    error_ = error;
    finished_ = true;
    changed_.notify_all();
  });
  Words all{};
  try {
    while (all[finished] < worker_.size()) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return finished_; });
      }
      all = exchange(planned);
      tick({.done = all[done], .skipped = all[skipped], .planned = all[planned_samples]});
    }
  } catch (...) {
    progress_.stop = true;  // another worker is lost
    throw;
  }
  thread.join();
  // Who only stopped because another one failed has nothing to say.
  const bool secondary = error_ && error_->code() == ExitCode::preempted && all[failed] > 0;
  worker_.together([&] {
    if (error_ && !secondary) throw Error(*error_);
  });
}

/// Tells how far the import is: live on a terminal, else a line now and then.
class ImportTeller {
 public:
  explicit ImportTeller(Console& console) : console_(console) {}
  void tell(const Totals& totals) {
    if (totals.planned == 0) return;
    const double rate = static_cast<double>(totals.done) / std::max(clock_.seconds(), 1e-3);
    const double left = static_cast<double>(totals.planned - totals.done) / rate;
    say(concat("import  ", with_commas(totals.done), "/", with_commas(totals.planned), "  ", rate_text(rate), "  ",
               duration_text(left), " left", totals.skipped ? concat("  ", totals.skipped, " skipped") : ""));
  }
  void say(const std::string& line) {
    constexpr double seconds_between_lines = 10;
    console_.live(line);
    if (since_line_.seconds() < seconds_between_lines) return;
    since_line_.lap();
    console_.say_progress(line);
  }

 private:
  Console& console_;
  Timer clock_, since_line_;
};

/// What the leader has unpacked, everywhere.
void share_paths(Worker& worker, SourceOptions& source) {
  std::string paths;
  for (const SourceFile& file : source.files) paths += file.path + '\n';
  paths = worker.control().broadcast_text(paths, 0);
  size_t begin = 0;
  for (SourceFile& file : source.files) {
    const size_t end = paths.find('\n', begin);
    file.path = paths.substr(begin, end - begin);
    begin = end + 1;
  }
}

void check_agreement(Worker& worker, const ImportJob& job, const std::string& out) {
  const std::string first = worker.control().broadcast_text(job.dataset_id(), 0);
  worker.together([&] {
    if (job.dataset_id() != first) {
      fail(ExitCode::data, out, ": this worker sees other sources than the first one; give all workers the same files");
    }
    std::error_code ignored;
    if (!std::filesystem::is_directory(out, ignored)) {
      fail(ExitCode::storage, out, ": is not there on this worker; choose a folder that all workers share");
    }
  });
}

}  // namespace

ImportResult run_import_job(Worker& worker, Console& console, SourceOptions source, ImportOptions options,
                            ImportProgress& progress) {
  options.rank = worker.rank();
  options.workers = worker.size();
  options.threads = worker.threads(options.threads);
  Together together(worker, progress);
  std::optional<ImportFolder> folder;
  worker.on_leader([&] { folder.emplace(options.out); });

  UnpackedFiles unpacked;
  std::atomic<uint64_t> bytes{0};
  ImportTeller opening(console);
  const auto unpack = [&] {
    if (worker.leader()) unpacked.unpack(source, options.out, bytes, progress.stop);
  };
  together.run(unpack, [&](const Totals&) {
    if (bytes > 0) opening.say("import  unpacking: " + human_bytes(bytes));
  });
  share_paths(worker, source);

  std::unique_ptr<SampleSource> samples;
  std::optional<ImportJob> job;
  const auto open = [&] {
    samples = open_source(source);
    job.emplace(*samples, options, source.kind);
  };
  together.run(open, [&](const Totals&) { opening.say("import  listing the source"); });
  check_agreement(worker, *job, options.out);
  int kept = 0;
  worker.on_leader([&] { kept = job->check_folder(); });
  if (kept > 0) console.say(concat(kept, " of ", job->shards(), " shards were there already"));

  const int64_t planned = job->planned();
  // Everybody has looked at what is there before anybody adds to it.
  worker.control().barrier();
  ImportResult result;
  ImportTeller teller(console);
  const Timer timer;
  together.run([&] { job->make_shards(progress); },
               [&](const Totals& totals) {
                 teller.tell(totals);
                 result.made = totals.done;
               },
               planned);
  result.seconds = timer.seconds();
  console.end_live();
  worker.on_leader([&] { result.summary = job->finish(); });
  return result;
}

}  // namespace convoy
