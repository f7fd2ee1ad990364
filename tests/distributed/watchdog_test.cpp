#include "distributed/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <future>
#include <iostream>
#include <mutex>

#include "core/base/error.hpp"
#include "distributed/sockets.hpp"
#include "tests/distributed/ranks_as_processes.hpp"
#include "tests/distributed/ranks_as_threads.hpp"

namespace convoy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Beats often; silence is not what these tests wait for.
constexpr WatchdogOptions lively{.timeout = seconds(30), .beat = milliseconds(5)};

// Counts how often the watchdog asked where the worker is: once per beat.
class Steps {
 public:
  Whereabouts operator()() {
    const std::lock_guard lock(mutex_);
    ++beats_;
    changed_.notify_all();
    return {.step = 7, .phase = "backward", .bucket = 3};
  }
  void wait_for_more(int beats) {
    std::unique_lock lock(mutex_);
    const int wanted = beats_ + beats;
    changed_.wait(lock, [&] { return beats_ >= wanted; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int beats_ = 0;
};

class Losses {
 public:
  void operator()(const Failure& failure) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(failure);
    changed_.notify_all();
  }
  Failure wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !failures_.empty(); });
    return failures_.front();
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return failures_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Failure> failures_;
};

TEST(Watchdog, OfOneWorkerDoesNothing) {
  const auto solo = make_solo_communicator();
  Losses losses;
  const Watchdog watchdog(
      *solo, {}, [] { return Whereabouts(); }, std::ref(losses));
  EXPECT_EQ(losses.count(), 0u);
}

TEST(Watchdog, LeavingIsNotTakenForDying) {
  constexpr int ranks = 4;
  std::array<Losses, ranks> losses;
  // Everybody outlives rank 1 by some beats, then rank 0 goes first.
  std::promise<void> one_gone, zero_gone;
  const auto one = one_gone.get_future().share(), zero = zero_gone.get_future().share();
  run_ranks(ranks, [&](Communicator& communicator) {
    const int rank = communicator.rank();
    Steps steps;
    auto watchdog =
        std::make_unique<Watchdog>(communicator, lively, std::ref(steps), std::ref(losses[static_cast<size_t>(rank)]));
    steps.wait_for_more(3);
    if (rank != 1) one.wait();
    if (rank == 0) steps.wait_for_more(20);
    if (rank > 1) zero.wait();
    watchdog.reset();
    if (rank == 1) one_gone.set_value();
    if (rank == 0) zero_gone.set_value();
  });
  for (Losses& each : losses) EXPECT_EQ(each.count(), 0u);
}

// A true rank 0 against a rank 1 that `play`s its side of the protocol by hand, from the announcement on.
struct House {
  uint16_t port = 0;
  std::string token;
};
Failure loss_seen_by_rank_0(const WatchdogOptions& options,
                            const std::function<void(Communicator&, const House&)>& play) {
  Losses losses;
  run_ranks(2, [&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      const Watchdog watchdog(
          communicator, options, [] { return Whereabouts(); }, std::ref(losses));
      losses.wait();
    } else {
      std::istringstream announcement(communicator.broadcast_text("", 0));
      House house;
      announcement >> house.token >> house.port;
      play(communicator, house);
    }
    communicator.barrier();
  });
  EXPECT_EQ(losses.count(), 1u);
  return losses.wait();
}

LineConnection call(const House& house) {
  LineConnection line(connect_to("127.0.0.1", house.port, seconds(10)));
  EXPECT_TRUE(line.open());
  return line;
}

// The next line, or "(closed)".
std::string answer_on(LineConnection& line) {
  while (true) {
    if (const auto text = line.next_line()) return *text;
    pollfd waiting{.fd = line.number(), .events = POLLIN, .revents = 0};
    poll(&waiting, 1, -1);
    if (!line.receive()) return "(closed)";
  }
}

TEST(Watchdog, StrangersAreShownTheDoorAndFriendsAreMissed) {
  const Failure failure = loss_seen_by_rank_0(lively, [](Communicator& communicator, const House& house) {
    const std::string hello = "hello " + house.token;
    for (const std::string& opening :
         {std::string("GET / HTTP/1.1"), std::string("hello 123 1 \"x\""), std::string("goodbye"),
          std::string("beat 1 2 \"x\""), hello + " 0 \"x\"", hello + " 2 \"x\"", hello, std::string(10000, 'x')}) {
      LineConnection stranger = call(house);
      stranger.send(opening);
      EXPECT_EQ(answer_on(stranger), "(closed)") << opening.substr(0, 100);
    }
    LineConnection friendly = call(house);
    friendly.send(hello + " 1 \"far\"");
    EXPECT_EQ(answer_on(friendly), "welcome " + house.token);
    EXPECT_FALSE(connect_to("127.0.0.1", house.port, seconds(1)).open()) << "nobody else is expected";
    communicator.gather_texts("");
    EXPECT_EQ(answer_on(friendly), "beat 0 -1 \"\"");
    friendly.send("beat 12 4 \"forward\"");
  });
  EXPECT_EQ(failure.rank, 1);
  EXPECT_EQ(failure.host, "far");
  EXPECT_EQ(failure.step, 12);
  EXPECT_EQ(failure.bucket, 4);
  EXPECT_EQ(failure.phase, "forward");
  EXPECT_EQ(failure.cause, "killed: its connection closed");
  EXPECT_EQ(failure.exit_code, static_cast<int>(ExitCode::peer_lost));
  EXPECT_EQ(failure.reported_by, 0);
}

TEST(Watchdog, SilenceIsALoss) {
  const Failure failure =
      loss_seen_by_rank_0({.timeout = milliseconds(200)}, [&](Communicator& communicator, const House& house) {
        LineConnection line = call(house);
        line.send("hello " + house.token + " 1 \"far\"");
        communicator.gather_texts("");
        while (answer_on(line) != "(closed)") {
        }
      });
  EXPECT_EQ(failure.rank, 1);
  EXPECT_EQ(failure.cause, "silent for 0.2 s");
}

// A silent rank 1 is named long before the timeout once rank 0 is asked to end, and not before.
TEST(Watchdog, OneThatIsAskedToEndSaysWhoIsSilent) {
  Losses losses, silences;
  std::atomic<bool> ending = false;
  run_ranks(2, [&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      WatchdogOptions options = lively;
      options.ending = &ending;
      Steps steps;
      const Watchdog watchdog(communicator, options, std::ref(steps), std::ref(losses), std::ref(silences));
      steps.wait_for_more(20);
      EXPECT_EQ(silences.count(), 0u);
      ending = true;
      silences.wait();
    } else {
      std::istringstream announcement(communicator.broadcast_text("", 0));
      House house;
      announcement >> house.token >> house.port;
      LineConnection line = call(house);
      line.send("hello " + house.token + " 1 \"far\"");
      communicator.gather_texts("");
      while (answer_on(line) != "(closed)") {
      }
    }
  });
  EXPECT_EQ(losses.count(), 0u);
  EXPECT_EQ(silences.count(), 1u);
  EXPECT_EQ(silences.wait().rank, 1);
  EXPECT_EQ(silences.wait().host, "far");
}

// Both ranks' errors, where rank 0 announces `announcement` and knows no more of watchdogs.
std::vector<std::string> errors_after(const std::string& announcement) {
  std::vector<std::string> messages(2);
  run_ranks(2, [&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      communicator.broadcast_text(announcement, 0);
      messages[0] = communicator.gather_texts("")[1];
      return;
    }
    try {
      const Watchdog watchdog(
          communicator, lively, [] { return Whereabouts(); }, [](const Failure&) {});
    } catch (const Error& error) {
      messages[1] = error.what();
    }
  });
  return messages;
}

TEST(Watchdog, ThatCannotReachRank0SaysSoOnAllRanks) {
  const uint16_t port = listen_anywhere().port;  // and closes it
  const auto messages = errors_after(concat("1 ", port, " ", host_name(), " 127.0.0.1"));
  EXPECT_EQ(messages[0], messages[1]);
  EXPECT_EQ(messages[1], concat("worker 1 on ", host_name(), " cannot reach worker 0 on ", host_name(),
                                " at 127.0.0.1, TCP port ", port, ": let the nodes talk to each other on all ports"));
}

TEST(Watchdog, LoopbackIsForTheSameHostOnly) {
  const auto messages = errors_after("1 1 another-host 127.0.0.1");
  EXPECT_THAT(messages[1],
              testing::HasSubstr("cannot reach worker 0 on another-host at any address (it has but its loopback)"));
}

TEST(Watchdog, TakesNobodyElseForRank0) {
  const Listener listener = listen_anywhere();
  std::thread impostor([&] {
    pollfd waiting{.fd = listener.socket.number(), .events = POLLIN, .revents = 0};
    poll(&waiting, 1, -1);
    LineConnection line(Descriptor(accept(listener.socket.number(), nullptr, nullptr)));
    answer_on(line);
    line.send("welcome 2");
  });
  const auto messages = errors_after(concat("1 ", listener.port, " ", host_name(), " 127.0.0.1"));
  impostor.join();
  EXPECT_THAT(messages[1], testing::HasSubstr("cannot reach worker 0"));
}

// In a process of its own: watches until rank `victim` is lost, which kills or stops itself. 0 if all is told of it.
int watch_until_lost(Communicator& communicator, int victim, int signal, const std::string& cause,
                     const WatchdogOptions& options) {
  Steps steps;
  Losses losses;
  const Watchdog watchdog(communicator, options, std::ref(steps), std::ref(losses));
  if (communicator.rank() == victim) {
    steps.wait_for_more(2);  // the first has been sent, and to all, as all are connected
    raise(signal);
  }
  const Failure failure = losses.wait();
  const bool right = failure.rank == victim && failure.host == host_name() && failure.step == 7 &&
                     failure.phase == "backward" && failure.bucket == 3 && failure.cause == cause &&
                     failure.reported_by == communicator.rank();
  if (!right) std::cerr << concat("rank ", failure.rank, " on ", failure.host, ": ", failure.cause, "\n");
  return right && losses.count() == 1 ? 0 : 1;
}

void expect_exit_0(int status) {
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
}

TEST(WatchdogOfProcesses, KilledWorkerIsNamedToAll) {
  const auto statuses = run_processes(4, [](Communicator& communicator) {
    return watch_until_lost(communicator, 1, SIGKILL, "killed: its connection closed", lively);
  });
  for (const int survivor : {0, 2, 3}) expect_exit_0(statuses[static_cast<size_t>(survivor)]);
}

TEST(WatchdogOfProcesses, KilledRank0IsMissedByAll) {
  const auto statuses = run_processes(3, [](Communicator& communicator) {
    return watch_until_lost(communicator, 0, SIGKILL, "killed: its connection closed", lively);
  });
  for (const int survivor : {1, 2}) expect_exit_0(statuses[static_cast<size_t>(survivor)]);
}

TEST(WatchdogOfProcesses, StoppedWorkerIsSilent) {
  // The timeout is long, as a machine under load may keep the others from running too.
  const auto statuses = run_processes(
      3,
      [](Communicator& communicator) {
        return watch_until_lost(communicator, 2, SIGSTOP, "silent for 2 s",
                                {.timeout = seconds(2), .beat = milliseconds(50)});
      },
      [](const std::vector<pid_t>& processes) {
        for (const int survivor : {0, 1}) {
          siginfo_t ended{};
          waitid(P_PID, static_cast<id_t>(processes[static_cast<size_t>(survivor)]), &ended, WEXITED | WNOWAIT);
        }
        kill(processes[2], SIGKILL);
      });
  for (const int survivor : {0, 1}) expect_exit_0(statuses[static_cast<size_t>(survivor)]);
}

}  // namespace
}  // namespace convoy
