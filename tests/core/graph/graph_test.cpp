#include "core/graph/graph.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

Graph graph_of(const std::string& text) {
  return build_graph(parse_network(text, "x.net"));
}

// CS231n, lecture 5: 32x32x3, ten 5x5 filters, stride 1, pad 2.
TEST(Graph, TheLecturesConvolution) {
  const Graph graph = graph_of("input 32x32x3\nconv K=10 F=5 S=1 P=2");
  EXPECT_EQ(graph.nodes[1].output, (Shape{32, 32, 10}));
  EXPECT_EQ(graph.nodes[1].parameters, 760);
  EXPECT_EQ(graph.multiply_adds(), 32 * 32 * 10 * 75);
}

// Also there: L layers of KxK filters see 1 + L (K - 1) pixels.
TEST(Graph, TheLecturesReceptiveField) {
  std::string text = "input 64x64x1\n";
  for (int l = 1; l <= 5; ++l) {
    text += "conv K=1 F=7 P=3\n";
    EXPECT_EQ(graph_of(text).nodes.back().receptive_field, (Extent2{1 + l * 6, 1 + l * 6}));
  }
}

TEST(Graph, StridesWidenTheReceptiveField) {
  const Graph graph =
      graph_of("input 28x28x1\nconv K=20 F=5\nmaxpool F=2 S=2\nconv K=50 F=5\nmaxpool F=2 S=2\nfc K=500");
  const auto field = [&](int i) { return graph.nodes[i].receptive_field.h; };
  EXPECT_EQ(field(1), 5);
  EXPECT_EQ(field(2), 6);
  EXPECT_EQ(field(3), 14);
  EXPECT_EQ(field(4), 16);
  EXPECT_EQ(graph.nodes[4].receptive_stride, (Extent2{4, 4}));
  EXPECT_EQ(graph.nodes[5].receptive_field, (Extent2{28, 28}));
}

TEST(Graph, LeNetHasItsPublishedSize) {
  const Graph graph =
      build_graph(parse_network("input 28x28x1\nconv K=20 F=5\nmaxpool F=2 S=2\nconv K=50 F=5\nmaxpool F=2 S=2\nfc "
                                "K=500\nrelu\nfc K=10\nloss softmax",
                                "x"));
  EXPECT_EQ(graph.parameters(), 431'080);
  EXPECT_EQ(graph.loss(), 8);
  EXPECT_EQ(graph.prediction(), 7);
}

TEST(Graph, CountsOfAbsurdNetworksStopInsteadOfOverflowing) {
  std::string strides = "input 1x1x1\n", products = "input 32768x32768x1\n";
  for (int i = 0; i < 6; ++i) strides += "conv K=1 F=1 S=1048576\n";
  for (int i = 0; i < 20; ++i) products += "conv K=1 F=32769 P=16384\n";
  constexpr int64_t most = int64_t{1} << 62;
  EXPECT_EQ(graph_of(strides + "loss mse").nodes[6].receptive_stride, (Extent2{most, most}));
  EXPECT_EQ(graph_of(products + "fc K=1\nloss mse").multiply_adds(), most);
}

TEST(Graph, SegmentsStandInBackwardOrder) {
  const SegmentTable table = graph_of("input 4x4x1\nconv K=2 F=3\nfc K=3 bias=off\nloss softmax").segments();
  ASSERT_EQ(table.segments().size(), 3u);
  EXPECT_EQ(table.segments()[0].name, "fc1/weight");
  EXPECT_EQ(table.segments()[1].name, "conv1/weight");
  EXPECT_EQ(table.segments()[2].name, "conv1/bias");
  EXPECT_EQ(table.segments()[0].decay_multiplier, 1);
  EXPECT_EQ(table.segments()[2].decay_multiplier, 0);
}

}  // namespace
}  // namespace convoy
