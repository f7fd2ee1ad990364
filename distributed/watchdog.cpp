// The star of connections around rank 0, served by one thread per worker with poll(2).
//
// Rank 0 announces a port and a random token; only a connection that opens with the token counts. Lines of text:
//   hello TOKEN RANK HOST          client, first of all
//   welcome TOKEN                  rank 0: this is the right rank 0, whatever the address was
//   beat STEP BUCKET PHASE         both ways
//   lost RANK HOST STEP BUCKET PHASE CAUSE   rank 0 to the survivors: they learn who it was before rank 0 goes down
//   goodbye                        both ways; the receiver closes, so that no unread line is cut off
#include "distributed/watchdog.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iomanip>
#include <list>
#include <random>
#include <thread>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "distributed/sockets.hpp"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds connect_limit{3000};    // one lost packet costs a second
constexpr milliseconds handshake_limit{5000};  // rank 0 may be busy
constexpr milliseconds goodbye_limit{500};

Clock::duration to_ticks(std::chrono::duration<double> time) {
  return std::chrono::duration_cast<Clock::duration>(time);
}

// Where rank 0 can be found.
struct Announcement {
  uint64_t token = 0;
  uint16_t port = 0;
  std::string host;
  std::vector<std::string> addresses;

  std::string to_text() const { return concat(token, ' ', port, ' ', host, ' ', join(addresses, " ")); }
  static Announcement parse(const std::string& text) {
    Announcement result;
    std::istringstream in(text);
    in >> result.token >> result.port >> result.host;
    for (std::string address; in >> address;) result.addresses.push_back(address);
    return result;
  }
};

struct Peer {
  explicit Peer(Descriptor socket) : line(std::move(socket)) {}

  LineConnection line;
  int rank = -1;  // -1: has not said hello
  std::string host;
  Clock::time_point heard = Clock::now();
  Whereabouts where;
  bool readable = false;  // as the last poll saw it
};

// One line from `line` within `limit`, "" otherwise.
std::string wait_for_line(LineConnection& line, milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (true) {
    if (auto text = line.next_line()) return *text;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    pollfd waiting{.fd = line.number(), .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) == 0 || !line.receive()) return "";
  }
}

}  // namespace

struct Watchdog::Impl {
  Impl(int rank_in, int size_in, const WatchdogOptions& options, std::function<Whereabouts()> whereabouts_in,
       std::function<void(const Failure&)> on_loss_in, std::function<void(const Failure&)> on_silence_in)
      : rank(rank_in),
        size(size_in),
        timeout(to_ticks(options.timeout)),
        // Several beats fit into the timeout, so that a late one is no loss.
        beat(std::min(to_ticks(options.beat), timeout / 4)),
        host(host_name()),
        whereabouts(std::move(whereabouts_in)),
        on_loss(std::move(on_loss_in)),
        ending(options.ending),
        on_silence(std::move(on_silence_in)),
        wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake.open()) fail(ExitCode::internal, "the watchdog cannot open an eventfd: raise the limit of open files");
  }

  ~Impl() {
    if (!thread.joinable()) return;
    stop = true;
    eventfd_write(wake.number(), 1);
    thread.join();
  }

  void start() {
    thread = std::thread([this] { serve(); });
  }

  Announcement open_house() {
    listener = listen_anywhere();
    std::random_device device;
    token = (uint64_t{device()} << 32) | device();
    start();
    return {.token = token, .port = listener.port, .host = host, .addresses = local_addresses()};
  }

  // Returns what went wrong, "" if nothing.
  std::string join_house(const Announcement& root) {
    std::vector<std::string> tried;
    for (const std::string& address : root.addresses) {
      const bool loopback = address.starts_with("127.");
      if (loopback && root.host != host) continue;
      tried.push_back(address);
      Descriptor socket = connect_to(address, root.port, connect_limit);
      if (!socket.open()) continue;
      Peer peer(std::move(socket));
      peer.line.send(concat("hello ", root.token, ' ', rank, ' ', std::quoted(host)));
      if (wait_for_line(peer.line, handshake_limit) != concat("welcome ", root.token)) continue;
      peer.rank = 0;
      peer.host = root.host;
      peer.heard = Clock::now();
      peers.push_back(std::move(peer));
      start();
      return "";
    }
    const std::string where = tried.empty() ? "any address (it has but its loopback)" : join(tried, ", ");
    return concat("worker ", rank, " on ", host, " cannot reach worker 0 on ", root.host, " at ", where, ", TCP port ",
                  root.port, ": let the nodes talk to each other on all ports");
  }

  // The thread's loop.
  void serve() {
    auto turn = Clock::now();
    auto next_beat = turn;
    auto leave_by = Clock::time_point::max();
    while (!lost) {
      const auto now = Clock::now();
      // A process that was stopped itself has heard nobody, and cannot blame them.
      if (now - turn > timeout / 2) {
        for (Peer& peer : peers) peer.heard = now;
      }
      turn = now;
      if (ending && *ending && suspicious_from == Clock::time_point::max()) {
        suspicious_from = rank == 0 ? now : now + 2 * beat;  // as in keep()
      }
      if (stop && leave_by == Clock::time_point::max()) {
        leave_by = now + goodbye_limit;
        say_goodbye();
      }
      if (stop && (peers.empty() || now >= leave_by)) return;
      if (!stop && now >= next_beat) {
        send_beats();
        next_beat = now + beat;
      }
      wait(std::min(stop ? leave_by : next_beat, now + beat));
      if (listener.socket.open()) accept_new();
      for (auto peer = peers.begin(); peer != peers.end() && !lost;) {
        peer = keep(*peer) ? std::next(peer) : peers.erase(peer);
      }
    }
  }

  void wait(Clock::time_point until) {
    polled.clear();
    polled.push_back({.fd = wake.number(), .events = POLLIN, .revents = 0});
    if (listener.socket.open()) polled.push_back({.fd = listener.socket.number(), .events = POLLIN, .revents = 0});
    for (const Peer& peer : peers) {
      const short events = static_cast<short>(peer.line.pending() ? POLLIN | POLLOUT : POLLIN);
      polled.push_back({.fd = peer.line.number(), .events = events, .revents = 0});
    }
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    poll(polled.data(), polled.size(), static_cast<int>(std::max<int64_t>(left.count(), 0)));
    auto seen = polled.end() - static_cast<ptrdiff_t>(peers.size());
    for (Peer& peer : peers) peer.readable = (seen++)->revents != 0;
    eventfd_t ignored = 0;
    eventfd_read(wake.number(), &ignored);
  }

  void accept_new() {
    while (true) {
      Descriptor socket(accept4(listener.socket.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.open()) return;
      peers.emplace_back(std::move(socket));
    }
  }

  // Hears the peer. False if its connection is done with.
  bool keep(Peer& peer) {
    peer.line.flush();
    const bool alive = !peer.readable || peer.line.receive();
    while (const auto line = peer.line.next_line()) {
      if (!understand(peer, *line)) return false;
      peer.heard = Clock::now();
    }
    // Where a link is cut, both sides miss each other; rank 0's side is the one to say who is lost.
    const Clock::duration patience = rank == 0 ? timeout : timeout + 2 * beat;
    const auto silence = Clock::now() - peer.heard;
    const bool silent = silence > patience;
    if (alive && !silent) {
      if (!stop && peer.rank >= 0 && silence > 4 * beat && Clock::now() > suspicious_from) suspect(peer, silence);
      return true;
    }
    if (peer.rank >= 0 && !stop) {
      const std::string silence_text = concat("silent for ", std::chrono::duration<double>(patience).count(), " s");
      lose(alive ? failure_of(peer, silence_text, Sign::silence)
                 : failure_of(peer, "killed: its connection closed", Sign::closed_connection));
    }
    return false;
  }

  bool understand(Peer& peer, const std::string& line) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    if (peer.rank < 0) return word == "hello" && admit(peer, in);
    if (word == "goodbye") return false;
    if (word == "beat") {
      in >> peer.where.step >> peer.where.bucket >> std::quoted(peer.where.phase);
    } else if (word == "lost") {
      Failure failure{.exit_code = static_cast<int>(ExitCode::peer_lost), .reported_by = rank};
      in >> failure.rank >> std::quoted(failure.host) >> failure.step >> failure.bucket >> std::quoted(failure.phase) >>
          std::quoted(failure.cause);
      report(failure);
    }
    return true;
  }

  bool admit(Peer& peer, std::istringstream& in) {
    uint64_t shown = 0;
    int claimed = -1;
    std::string name;
    in >> shown >> claimed >> std::quoted(name);
    const bool known = std::ranges::any_of(peers, [&](const Peer& other) { return other.rank == claimed; });
    if (!in || shown != token || claimed < 1 || claimed >= size || known) return false;
    peer.rank = claimed;
    peer.host = name;
    if (++admitted == size - 1) listener.socket.close();  // nobody else is expected
    peer.line.send(concat("welcome ", token));
    return true;
  }

  void send_beats() {
    const Whereabouts here = whereabouts();
    const std::string line = concat("beat ", here.step, ' ', here.bucket, ' ', std::quoted(here.phase));
    for (Peer& peer : peers) {
      // To one that does not read, older beats are waiting already.
      if (peer.rank >= 0 && !peer.line.pending()) peer.line.send(line);
    }
  }

  void say_goodbye() {
    for (Peer& peer : peers) {
      peer.line.send("goodbye");
      peer.line.finish_sending();
    }
  }

  enum class Sign : uint8_t { silence, closed_connection };
  Failure failure_of(const Peer& peer, const std::string& cause, Sign sign) const {
    return {.rank = peer.rank,
            .host = peer.host,
            .step = peer.where.step,
            .phase = peer.where.phase,
            .bucket = peer.where.bucket,
            .cause = cause,
            .exit_code = static_cast<int>(ExitCode::peer_lost),
            .reported_by = rank,
            .silent = sign == Sign::silence};
  }

  void suspect(const Peer& peer, Clock::duration silence) {
    if (suspected) return;
    suspected = true;
    const auto tenths = std::chrono::round<std::chrono::duration<int64_t, std::deci>>(silence).count();
    const std::string cause = concat("silent for ", static_cast<double>(tenths) / 10, " s");
    if (on_silence) on_silence(failure_of(peer, cause, Sign::silence));
  }

  void lose(const Failure& failure) {
    const std::string line = concat("lost ", failure.rank, ' ', std::quoted(failure.host), ' ', failure.step, ' ',
                                    failure.bucket, ' ', std::quoted(failure.phase), ' ', std::quoted(failure.cause));
    for (Peer& other : peers) {
      // The lost one too: if it is merely slow, it must not take the end of its connection for the death of rank 0.
      if (rank == 0 && other.rank >= 0) other.line.send(line);
    }
    report(failure);
  }

  void report(const Failure& failure) {
    lost = true;
    on_loss(failure);
  }

  const int rank, size;
  const Clock::duration timeout, beat;
  const std::string host;
  const std::function<Whereabouts()> whereabouts;
  const std::function<void(const Failure&)> on_loss;
  const std::atomic<bool>* const ending;
  const std::function<void(const Failure&)> on_silence;
  Descriptor wake;  // written to end a poll
  std::atomic<bool> stop{false};

  // Of the thread, once it runs.
  Listener listener;
  uint64_t token = 0;
  int admitted = 0;
  std::list<Peer> peers;
  std::vector<pollfd> polled;
  bool lost = false;
  Clock::time_point suspicious_from = Clock::time_point::max();
  bool suspected = false;
  std::thread thread;
};

Watchdog::Watchdog(Communicator& communicator, const WatchdogOptions& options, std::function<Whereabouts()> whereabouts,
                   std::function<void(const Failure&)> on_loss, std::function<void(const Failure&)> on_silence) {
  if (communicator.size() == 1) return;
  impl_ = std::make_unique<Impl>(communicator.rank(), communicator.size(), options, std::move(whereabouts),
                                 std::move(on_loss), std::move(on_silence));
  std::string announcement, problem;
  if (communicator.rank() == 0) {
    try {
      announcement = impl_->open_house().to_text();
    } catch (const Error& error) {
      problem = error.what();
    }
  }
  announcement = communicator.broadcast_text(announcement, 0);
  if (communicator.rank() != 0 && !announcement.empty()) {
    problem = impl_->join_house(Announcement::parse(announcement));
  }
  // All or none: a worker that nobody watches would hang the others.
  for (const std::string& text : communicator.gather_texts(problem)) {
    if (!text.empty()) throw Error(ExitCode::peer_lost, text);
  }
}

Watchdog::~Watchdog() = default;

}  // namespace convoy
