// metrics.jsonl: every row is written whole by one call, so that only the last line of a dead run can be torn.
#include "io/metrics_log.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/atomic_file.hpp"
#include "io/posix_file.hpp"

namespace convoy {
namespace {

using Row = nlohmann::ordered_json;  // keys stay in the order in which they are given; NaN and infinity become null

/// The step of a row; none where the line is torn or not a row of ours.
std::optional<int64_t> step_of(std::string_view line) {
  const nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
  if (!row.is_object() || !row.contains("step") || !row["step"].is_number_integer()) return std::nullopt;
  return row["step"].get<int64_t>();
}

/// Whole rows of steps up to `last_step`.
std::string rows_until(std::string_view content, int64_t last_step) {
  std::string kept;
  while (!content.empty()) {
    const size_t end = content.find('\n');
    if (end == std::string_view::npos) break;
    const std::optional<int64_t> step = step_of(content.substr(0, end));
    if (step && *step <= last_step) kept += content.substr(0, end + 1);
    content.remove_prefix(end + 1);
  }
  return kept;
}

std::string read_whole(const std::string& path) {
  const FileDescriptor file = open_to_read(path);
  std::string content(static_cast<size_t>(size_of_file(file, path)), '\0');
  content.resize(read_at(file, path, content.data(), content.size(), 0));
  return content;
}

}  // namespace

struct MetricsLog::Impl {
  void append(const Row& row);

  std::string path;
  FileDescriptor file;
  uint64_t size = 0;
};

void MetricsLog::Impl::append(const Row& row) {
  const std::string line = row.dump() + "\n";
  check_size_limit(path, size + line.size());
  const ssize_t put = write(file.get(), line.data(), line.size());
  if (put >= 0 && static_cast<size_t>(put) == line.size()) {
    size += line.size();
    return;
  }
  // A short write means that the disk filled up within the line.
  const int error = put < 0 ? errno : ENOSPC;
  if (ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    // The torn line stays, and is cut on resume.
  }
  fail_storage(path, "be written", error);
}

MetricsLog::MetricsLog(const std::string& run_folder, int64_t resume_step) : impl_(std::make_unique<Impl>()) {
  impl_->path = run_folder + "/metrics.jsonl";
  std::error_code ignored;
  if (resume_step <= 0) {
    write_file(impl_->path, "");
  } else if (std::filesystem::exists(impl_->path, ignored)) {
    const std::string content = read_whole(impl_->path);
    const std::string kept = rows_until(content, resume_step);
    if (kept != content) write_file(impl_->path, kept);
  }
  impl_->file = open_to_write(impl_->path, O_CREAT | O_APPEND | O_WRONLY, impl_->path);
  impl_->size = size_of_file(impl_->file, impl_->path);
}

MetricsLog::~MetricsLog() = default;

void MetricsLog::step(const StepReport& report, double images_per_second) {
  impl_->append({{"kind", "step"},
                 {"step", report.step},
                 {"samples", report.samples},
                 {"epoch", report.epoch},
                 {"loss", report.loss},
                 {"accuracy", report.accuracy},
                 {"learning_rate", report.learning_rate},
                 {"images_per_second", images_per_second},
                 {"input", report.input},
                 {"forward", report.forward},
                 {"backward", report.backward},
                 {"exchange", report.exchange},
                 {"update", report.update},
                 {"exposed", report.exposed},
                 {"refresh", report.refresh},
                 {"last_worker", report.last_worker},
                 {"waited", report.waited}});
}

void MetricsLog::evaluation(int64_t step, const EvaluationReport& report) {
  impl_->append({{"kind", "eval"},
                 {"step", step},
                 {"samples", report.samples},
                 {"loss", report.loss},
                 {"top1", report.top1},
                 {"top5", report.top5}});
}

}  // namespace convoy
