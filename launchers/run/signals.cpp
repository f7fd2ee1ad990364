// Being asked to stop.
#include "launchers/run/signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace convoy {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

const char* name_of_signal(int signal) {
  return signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "SIGUSR1";
}

}  // namespace

StopSignals::StopSignals(std::function<void(const std::string&)> told) {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this, told = std::move(told)] { wait(told); });
}

StopSignals::~StopSignals() {
  leaving_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignals::wait(const std::function<void(const std::string&)>& told) {
  const sigset_t set = stop_signals();
  for (int interrupts = 0;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (leaving_) return;
    if (signal == SIGINT && ++interrupts == 2) _exit(128 + SIGINT);
    if (!requested_.exchange(true)) told(name_of_signal(signal));
  }
}

}  // namespace convoy
