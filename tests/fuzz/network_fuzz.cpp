// Fuzz target: whatever bytes a network text holds, reading it gives a graph or one line that says what is wrong.
//
// Only what needs no device: core/graph's parser and builder with the constructors of core/layers. Crashes, undefined
// behaviour, hangs and memory beyond the limits of tests/fuzz/run are libFuzzer's and the sanitizers' to find.
#include "core/graph/graph.hpp"
#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {
namespace {

void check(const Graph& graph) {
  require(!graph.nodes.empty() && graph.nodes.front().kind == "input", "no input", "");
  require(graph.parameters() >= 0 && graph.multiply_adds() >= 0, "a negative count", "");
  require(graph.prediction() >= 0 && graph.loss() < static_cast<int>(graph.nodes.size()), "no prediction", "");
  int64_t count = 0;
  const SegmentTable table = graph.segments();
  for (const Segment& segment : table.segments()) count += segment.is_parameter() ? segment.shape.count() : 0;
  require(count == graph.parameters(), "segments and nodes count differently", "");
  for (const Node& node : graph.nodes) {
    const Extent2 field = node.receptive_field;
    require(field.h > 0 && field.w > 0, "an empty receptive field", node.name.c_str());
    for (int i = 0; i < node.output.rank(); ++i) require(node.output[i] > 0, "an empty output", node.name.c_str());
  }
}

}  // namespace

void network(std::string_view bytes) {
  read_or_refuse(ExitCode::usage, "fuzz.net:", [&] { check(build_graph(parse_network(bytes, "fuzz.net"))); });
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(network)
