// TCP over IPv4 and, where the machine has it, IPv6.
#include "distributed/sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "core/base/error.hpp"

namespace convoy {
namespace {

constexpr size_t longest_line = 4096;  // a peer that sends more without a line end is none of ours

Descriptor try_listen(int family, uint16_t& port) {
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) return {};
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(family);  // the rest zero: any address, any port
  socklen_t length = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  const int both = 0;
  if (family == AF_INET6) setsockopt(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket.number(), any, length) != 0 || listen(socket.number(), SOMAXCONN) != 0 ||
      getsockname(socket.number(), any, &length) != 0) {
    return {};
  }
  // The port lies at the same place in both kinds of address.
  port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  return socket;
}

// True once the connection under way stands.
bool wait_until_connected(int socket, std::chrono::milliseconds limit) {
  pollfd waiting{.fd = socket, .events = POLLOUT, .revents = 0};
  int error = 0;
  socklen_t length = sizeof(error);
  return poll(&waiting, 1, static_cast<int>(limit.count())) == 1 &&
         getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  Descriptor old(std::exchange(number_, other.release()));
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

int Descriptor::release() {
  return std::exchange(number_, -1);
}

Listener listen_anywhere() {
  Listener listener;
  for (const int family : {AF_INET6, AF_INET}) {
    listener.socket = try_listen(family, listener.port);
    if (listener.socket.open()) return listener;
  }
  fail(ExitCode::internal, "the watchdog cannot listen on a TCP port: ", std::strerror(errno),
       "; allow this machine's programs to open sockets");
}

std::vector<std::string> local_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {"127.0.0.1"};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  std::vector<std::string> loopback{"127.0.0.1"}, others;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) {
      continue;
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (entry->ifa_addr->sa_family == AF_INET) {
      inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(entry->ifa_addr)->sin_addr, text, sizeof(text));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto& address = reinterpret_cast<sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&address)) continue;  // means nothing on another machine
      inet_ntop(AF_INET6, &address, text, sizeof(text));
    }
    if (text[0] != '\0') others.emplace_back(text);
  }
  loopback.insert(loopback.end(), others.begin(), others.end());
  return loopback;
}

std::string host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "unknown";
  return name;
}

Descriptor connect_to(const std::string& address, uint16_t port, std::chrono::milliseconds limit) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  Descriptor socket(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) return {};
  if (connect(socket.number(), found->ai_addr, found->ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS || !wait_until_connected(socket.number(), limit)) return {};
  return socket;
}

LineConnection::LineConnection(Descriptor socket) : socket_(std::move(socket)) {
  const int on = 1;  // beats are small and late ones are useless
  setsockopt(socket_.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void LineConnection::send(std::string_view line) {
  unsent_.append(line).push_back('\n');
  flush();
}

void LineConnection::flush() {
  while (open() && pending()) {
    const ssize_t sent = ::send(socket_.number(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) unsent_.clear();  // the connection is broken, as receive() will find
      return;
    }
    unsent_.erase(0, static_cast<size_t>(sent));
  }
}

void LineConnection::finish_sending() {
  flush();
  if (open()) shutdown(socket_.number(), SHUT_WR);
}

bool LineConnection::receive() {
  char buffer[1024];
  const ssize_t count = recv(socket_.number(), buffer, sizeof(buffer), MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  received_.append(buffer, static_cast<size_t>(count));
  return count > 0 && (received_.size() < longest_line || received_.find('\n') != std::string::npos);
}

std::optional<std::string> LineConnection::next_line() {
  const size_t end = received_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

}  // namespace convoy
