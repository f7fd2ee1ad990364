// The little of TCP that the watchdog needs. Nothing here waits longer than it is told to.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

/// An open file descriptor, closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int number() const { return number_; }
  bool open() const { return number_ >= 0; }
  void close() { *this = Descriptor(); }

 private:
  int release();
  int number_ = -1;
};

struct Listener {
  Descriptor socket;
  uint16_t port = 0;
};

/// Listens on every address of this machine, on a port the kernel picks. Throws Error(internal).
Listener listen_anywhere();

/// This machine's addresses, loopback first, as numbers.
std::vector<std::string> local_addresses();
std::string host_name();

/// Connects within `limit`; a closed Descriptor if that fails.
Descriptor connect_to(const std::string& address, uint16_t port, std::chrono::milliseconds limit);

/// A connection that carries lines of text, never waiting.
class LineConnection {
 public:
  explicit LineConnection(Descriptor socket);

  int number() const { return socket_.number(); }
  bool open() const { return socket_.open(); }
  void close() { socket_.close(); }
  /// Sends what fits now and keeps the rest for the next call. Errors show in receive().
  void send(std::string_view line);
  /// What was sent has not all gone out.
  bool pending() const { return !unsent_.empty(); }
  void flush();
  /// No more will be sent; the peer sees the end once it has read everything.
  void finish_sending();
  /// Reads some of what there is. False once the peer is gone and nothing is left to read.
  bool receive();
  /// The next whole line received.
  std::optional<std::string> next_line();

 private:
  Descriptor socket_;
  std::string unsent_;
  std::string received_;
};

}  // namespace convoy
