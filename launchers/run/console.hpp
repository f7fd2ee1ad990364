// Where a run speaks: standard error and RUN/train.log. Only the first worker has a voice.
//
// On a terminal one live line stands below the lines said; it never reaches the log. Any thread may speak.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

namespace convoy {

enum class Voice { speaking, silent };

/// Columns of the terminal that standard error goes to, 0 where it is none. CONVOY_TERMINAL_WIDTH tells it where a
/// launcher stands in between, since mpirun passes on a pipe.
int terminal_width();

class Console {
 public:
  explicit Console(Voice voice) : voice_(voice) {}
  ~Console() { end_live(); }

  /// From now on lines also go to this file, at its end.
  void open_log(const std::string& path);

  void say(const std::string& line);
  /// Only to the log while a terminal shows the live line, else as say().
  void say_progress(const std::string& line);
  /// Redraws the live line, ten times a second at most; nothing where there is no terminal.
  void live(const std::string& line);
  void end_live();

 private:
  using Clock = std::chrono::steady_clock;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void write_log(const std::string& line);
  void wipe_live();

  const Voice voice_;
  std::mutex mutex_;
  std::unique_ptr<std::FILE, Close> log_;
  bool live_shown_ = false;
  Clock::time_point next_draw_{};
};

}  // namespace convoy
