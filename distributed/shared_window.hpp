// Memory that the workers of one node share: a part common to all, and a part of each that the others see.
//
// The common part holds weights and optimizer state, once for the node; each worker's own part its gradients. It is a
// memfd, so neither the size of /dev/shm nor a file that a killed run leaves behind is a matter.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "distributed/communicator.hpp"

namespace convoy {

struct WindowSize {
  size_t common_bytes = 0;
  size_t own_bytes = 0;  // of each rank
};

class SharedWindow {
 public:
  /// Collective over `node`, whose ranks are processes of one machine. All memory is reserved, and zero. Where it
  /// cannot be had on every rank, none has it: returns nullptr and says why in `problem`, alike on all ranks.
  static std::unique_ptr<SharedWindow> make(Communicator& node, const WindowSize& size,
                                            const CommunicatorOptions& options, std::string& problem);
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  /// Both start on page borders.
  std::span<std::byte> common() const;
  std::span<std::byte> own() const;

  /// Communicators over the ranks of `node`, at most `most_communicators`; collective in that all ranks make them in
  /// the same order. They keep the memory mapped.
  static constexpr int most_communicators = 3;
  std::unique_ptr<Communicator> make_communicator();

 private:
  struct Mapping;
  SharedWindow(std::shared_ptr<Mapping> mapping, int rank, int ranks, const WindowSize& size,
               const CommunicatorOptions& options);

  std::shared_ptr<Mapping> mapping_;
  int rank_, ranks_;
  WindowSize size_;
  CommunicatorOptions options_;
  int made_ = 0;
};

}  // namespace convoy
