#include "tests/distributed/large_buffers.hpp"

#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "tests/distributed/node_groups.hpp"

namespace convoy {
namespace {

class LargeBuffers : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = no_room_for_large_buffers()) GTEST_SKIP() << *reason;
  }
};

std::unique_ptr<SharedWindow> window_of(Communicator& node, size_t own_bytes) {
  std::string problem;
  auto window = SharedWindow::make(node, {.own_bytes = own_bytes}, patient, problem);
  if (window == nullptr) throw std::runtime_error(problem);
  return window;
}

TEST_F(LargeBuffers, OfThreads) {
  run_ranks(2, [](Communicator& communicator) {
    const SparseFloats data(large_count);
    check_large_buffers(communicator, data.span(), large_slices_too());
  });
}

TEST_F(LargeBuffers, InAWindow) {
  run_ranks(2, [](Communicator& node) {
    const auto window = window_of(node, large_bytes);
    check_large_buffers(*window->make_communicator(), {reinterpret_cast<float*>(window->own().data()), large_count},
                        large_slices_too());
    node.barrier();
  });
}

TEST_F(LargeBuffers, ThroughAWindowsBounceBuffer) {
  run_ranks(2, [](Communicator& node) {
    const auto window = window_of(node, 0);
    const SparseFloats data(large_count);
    check_large_buffers(*window->make_communicator(), data.span(), large_slices_too());
    node.barrier();
  });
}

TEST_F(LargeBuffers, AcrossNodes) {
  run_groups(Topology(machines_of({1, 1}), 0), [](WorkerGroups& groups) {
    const SparseFloats data(large_count);
    check_large_buffers(*take_hierarchy(groups), data.span(), large_slices_too());
    groups.everybody->barrier();
  });
}

}  // namespace
}  // namespace convoy
