// Where a run speaks.
#include "launchers/run/console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace convoy {

int terminal_width() {
  constexpr int usual_width = 80;
  if (const char* told = std::getenv("CONVOY_TERMINAL_WIDTH")) return std::atoi(told);
  if (!isatty(STDERR_FILENO)) return 0;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : usual_width;
}

void Console::open_log(const std::string& path) {
  if (voice_ == Voice::silent) return;
  const std::lock_guard lock(mutex_);
  log_.reset(std::fopen(path.c_str(), "a"));
}

void Console::write_log(const std::string& line) {
  if (!log_) return;
  std::fprintf(log_.get(), "%s\n", line.c_str());
  std::fflush(log_.get());
}

void Console::wipe_live() {
  if (live_shown_) std::fputs("\r\x1b[K", stderr);
  live_shown_ = false;
}

void Console::say(const std::string& line) {
  if (voice_ == Voice::silent) return;
  const std::lock_guard lock(mutex_);
  wipe_live();
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
  write_log(line);
}

void Console::say_progress(const std::string& line) {
  if (voice_ == Voice::silent) return;
  if (terminal_width() == 0) return say(line);
  const std::lock_guard lock(mutex_);
  write_log(line);
}

void Console::live(const std::string& line) {
  if (voice_ == Voice::silent) return;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now < next_draw_) return;
  const int width = terminal_width();
  if (width == 0) return;
  next_draw_ = now + std::chrono::milliseconds(100);
  // The last column stays free: some terminals break the line when it is written.
  std::fprintf(stderr, "\r%.*s\x1b[K", width - 1, line.c_str());
  std::fflush(stderr);
  live_shown_ = true;
}

void Console::end_live() {
  const std::lock_guard lock(mutex_);
  wipe_live();
  std::fflush(stderr);
}

}  // namespace convoy
