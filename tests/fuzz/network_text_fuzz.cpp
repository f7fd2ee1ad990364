// libFuzzer target: whatever bytes a network text holds, reading it gives a graph or one line that says what is wrong.
//
// Only what needs no device: core/graph's parser and builder with the constructors of core/layers. Crashes, undefined
// behaviour, hangs and memory beyond the limits of tests/fuzz/run are libFuzzer's and the sanitizers' to find.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "core/base/error.hpp"
#include "core/graph/graph.hpp"

namespace {

void require(bool holds, const char* what, const char* where) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, where);
  std::abort();
}

void check(const convoy::Graph& graph) {
  require(!graph.nodes.empty() && graph.nodes.front().kind == "input", "no input", "");
  require(graph.parameters() >= 0 && graph.multiply_adds() >= 0, "a negative count", "");
  require(graph.prediction() >= 0 && graph.loss() < static_cast<int>(graph.nodes.size()), "no prediction", "");
  int64_t count = 0;
  const convoy::SegmentTable table = graph.segments();
  for (const convoy::Segment& segment : table.segments()) count += segment.is_parameter() ? segment.shape.count() : 0;
  require(count == graph.parameters(), "segments and nodes count differently", "");
  for (const convoy::Node& node : graph.nodes) {
    const convoy::Extent2 field = node.receptive_field;
    require(field.h > 0 && field.w > 0, "an empty receptive field", node.name.c_str());
    for (int i = 0; i < node.output.rank(); ++i) require(node.output[i] > 0, "an empty output", node.name.c_str());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    check(convoy::build_graph(convoy::parse_network({reinterpret_cast<const char*>(data), size}, "fuzz.net")));
  } catch (const convoy::Error& error) {
    const std::string_view message = error.what();
    require(error.code() == convoy::ExitCode::usage, "another exit code", error.what());
    require(message.starts_with("fuzz.net:"), "a message that does not name the file", error.what());
    require(message.find('\n') == std::string_view::npos, "a message of several lines", error.what());
  }
  return 0;
}
