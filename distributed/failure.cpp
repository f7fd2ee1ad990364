// The report is written whole under a name of its own, then given its final name, which fails if that is taken:
// exclusive, and never seen half-written.
#include "distributed/failure.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"

namespace convoy {
namespace {

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string to_json(const Failure& failure) {
  const nlohmann::ordered_json json = {
      {"rank", failure.rank},
      {"host", failure.host},
      {"step", failure.step},
      {"phase", failure.phase},
      {"bucket", failure.bucket},
      {"cause", failure.cause},
      {"exit_code", failure.exit_code},
      {"reported_by", failure.reported_by},
      {"time", now_utc()},
  };
  // A cause may quote bytes that are no text.
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

bool write_whole(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return false;
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool synced = fsync(file) == 0;
  return close(file) == 0 && written && synced;
}

// Gives `from` the name `to` unless that is taken.
bool rename_exclusively(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // NFS knows no such rename, but makes links exclusively.
  return link(from.c_str(), to.c_str()) == 0 && unlink(from.c_str()) == 0;
}

void sync_folder(const std::string& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

namespace {

/// The rank that a report takes for lost; -1 if it cannot be read.
int accused_rank(const std::string& path) {
  std::ifstream file(path);
  const nlohmann::json report = nlohmann::json::parse(file, nullptr, false);
  return report.is_object() ? report.value("rank", -1) : -1;
}

}  // namespace

bool write_failure(const std::string& run_folder, const Failure& failure) noexcept {
  try {
    static std::atomic<int> reports{0};
    // Unique among the workers of all hosts that share the folder, and among this process's threads.
    const std::string whole = concat(run_folder, "/.failure.", failure.reported_by, ".", getpid(), ".", reports++);
    const std::string path = run_folder + "/failure.json";
    unlink(whole.c_str());  // one left by an earlier process of the same number
    const auto refutes = [&] { return failure.reported_by == 0 && failure.silent && accused_rank(path) == 0; };
    const bool done = write_whole(whole, to_json(failure)) &&
                      (rename_exclusively(whole, path) || (refutes() && rename(whole.c_str(), path.c_str()) == 0));
    if (!done) {
      unlink(whole.c_str());
      return false;
    }
    sync_folder(run_folder);
    return true;
  } catch (...) {
    return false;
  }
}

void clear_failure(const std::string& run_folder) {
  const std::string path = run_folder + "/failure.json";
  if (!std::filesystem::exists(path)) return;
  for (int n = 1;; ++n) {
    const std::string old = concat(run_folder, "/failure-", n, ".json");
    if (rename_exclusively(path, old)) return;
    if (errno != EEXIST) {
      fail(ExitCode::storage, path, ": cannot be renamed to ", old, ": ", std::strerror(errno),
           "; make the run folder writable");
    }
  }
}

}  // namespace convoy
