// What layers tell of themselves before any device is chosen: shapes, parameters, and what they refuse.
#include <gmock/gmock.h>

#include "core/base/error.hpp"
#include "core/graph/graph.hpp"

namespace convoy {
namespace {

using ::testing::HasSubstr;

Graph graph_of(const std::string& text) {
  return build_graph(parse_network(text, "x.net"));
}

/// The output of the last of `lines` after an input of 9x8x6.
Shape output_of(const std::string& lines) {
  return graph_of("input 9x8x6\n" + lines).nodes.back().output;
}

std::string refusal_of(const std::string& lines) {
  try {
    graph_of("input 9x8x6\n" + lines);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Layers, Shapes) {
  EXPECT_EQ(output_of("avgpool F=3 S=2 fit=ceil"), (Shape{4, 4, 6}));
  EXPECT_EQ(output_of("avgpool F=2x3 S=1 P=1x0"), (Shape{10, 6, 6}));
  EXPECT_EQ(output_of("maxpool F=3 S=2 P=0,0,0,1"), (Shape{4, 4, 6}));
  EXPECT_EQ(output_of("maxpool F=3 S=1 D=2x3 P=0x1"), (Shape{5, 4, 6}));
  EXPECT_EQ(output_of("maxpool F=2 D=4 P=4 S=1"), (Shape{13, 12, 6})) << "padding is measured against D(F-1)+1";
  EXPECT_EQ(output_of("globalavgpool"), (Shape{1, 1, 6}));
  EXPECT_EQ(output_of("flatten"), (Shape{432}));
  EXPECT_EQ(output_of("lrn"), (Shape{9, 8, 6}));
  EXPECT_EQ(output_of("fc K=5\nlrn n=3"), (Shape{5}));
  EXPECT_EQ(output_of("batchnorm"), (Shape{9, 8, 6}));
  EXPECT_EQ(output_of("dropout"), (Shape{9, 8, 6}));
  EXPECT_EQ(output_of("conv K=4 F=3 P=0,1,2,1"), (Shape{9, 8, 4}));
  EXPECT_EQ(output_of("a: conv K=4 F=1\nb: conv K=3 F=1 from=input1\nconcat from=a,b,input1"), (Shape{9, 8, 13}));
  EXPECT_EQ(output_of("a: conv K=6 F=1\nadd from=a,input1"), (Shape{9, 8, 6}));
  EXPECT_EQ(output_of("globalavgpool\nloss softmax"), Shape{});
}

TEST(Layers, DilationWidensTheReceptiveField) {
  const Graph graph = graph_of("input 9x8x6\nmaxpool F=3 S=1 D=2x1\nconv K=1 F=2");
  EXPECT_EQ(graph.nodes[1].receptive_field, (Extent2{5, 3}));
  EXPECT_EQ(graph.nodes[2].receptive_field, (Extent2{6, 4}));
}

TEST(Layers, BatchNormsStatisticsAreNotParameters) {
  const Graph graph = graph_of("input 9x8x6\nbatchnorm momentum=0.2\nfc K=2 bias=off");
  EXPECT_EQ(graph.nodes[1].parameters, 12);
  EXPECT_TRUE(graph.mixes_images());
  const SegmentTable table = graph.segments();
  ASSERT_NE(table.find("batchnorm1/running_variance"), nullptr);
  EXPECT_EQ(table.find("batchnorm1/running_variance")->average_rate, 0.2f);
  EXPECT_EQ(table.find("batchnorm1/running_variance")->init.value, 1);
  EXPECT_TRUE(table.find("batchnorm1/weight")->is_parameter());
  EXPECT_EQ(table.find("batchnorm1/weight")->decay_multiplier, 0);
}

TEST(Layers, MultipliersReachTheSegments) {
  const SegmentTable table = graph_of("input 4\nfc K=2 rate=1,2 decay=250 bias-value=0.5\nfc K=2 decay=1,1").segments();
  EXPECT_EQ(table.find("fc1/weight")->decay_multiplier, 250);
  EXPECT_EQ(table.find("fc1/bias")->decay_multiplier, 0);
  EXPECT_EQ(table.find("fc1/bias")->rate_multiplier, 2);
  EXPECT_EQ(table.find("fc1/bias")->init.value, 0.5f);
  EXPECT_EQ(table.find("fc2/bias")->decay_multiplier, 1);
}

TEST(Layers, RefuseWhatDoesNotFit) {
  const std::pair<const char*, const char*> cases[] = {
      {"a: conv K=4 F=1\nadd from=a,input1", "x.net:3:1: add needs layers of one shape, not 9x8x4 and 9x8x6"},
      {"add", "add puts 2 layers or more together, but is given 1; name them in from=a,b"},
      {"a: conv K=4 F=3\nconcat from=a,input1", "concat needs images of one height and width, not 7x6x4 and 9x8x6"},
      {"dropout p=1", "p=1 would drop everything"},
      {"dropout p=-0.1", "p=-0.1 is not between 0 and 1"},
      {"lrn n=4 region=within", "region=within needs an odd n"},
      {"lrn k=0", "k must be positive"},
      {"fc K=4\nlrn region=within", "lrn reads an image"},
      {"conv K=1 F=1 P=8\nmaxpool F=16 fit=floor", "a maxpool window holds at most 255 pixels"},
      {"avgpool F=2 P=2 fit=floor", "the padding must be smaller than the window"},
      {"maxpool F=2 D=4 P=5 S=1", "x.net:2:19: the padding must be smaller than the window"},
      {"maxpool F=2 D=20 P=15 S=1", "x.net:2:15: the dilation leaves windows whose pixels all lie in the padding"},
      {"maxpool F=3 S=1 D=5", "F=3, S=1, P=0, D=5 (height): (9 - (5*(3-1)+1) + 2*0)/1 + 1 = -1; the window is larger"},
      {"avgpool F=3 D=2", "avgpool has no attribute 'D'"},
      {"conv K=1 F=3 P=1,2,3", "P=1,2,3 is not a padding; write 1, 1x2 or TOP,LEFT,BOTTOM,RIGHT"},
      {"fc K=3 rate=1,2,3", "rate=1,2,3 is not one multiplier, or two as WEIGHT,BIAS"},
      {"fc K=3 rate=-1", "rate=-1 is not one multiplier"},
      {"fc K=3 std=1,2 init=gaussian", "std=1,2 is not one number"},
      {"fc K=3 std=nan init=gaussian", "'nan' is not a number"},
      {"batchnorm epsilon=0", "epsilon=0 is not between"},
      {"leakyrelu slope=-1", "slope=-1 is not between"},
      {"softmax", "softmax reads a flat input, not 9x8x6; put an fc or globalavgpool before it"},
      {"loss softmax", "loss softmax reads a flat input, not 9x8x6"},
      {"fc K=3\nloss hinge smoothing=0.1", "x.net:3:22: loss hinge does not know smoothing"},
      {"fc K=3\nloss softmax margin=2", "loss softmax does not know margin"},
      {"fc K=3\nloss softmax class-weights=1,2", "class-weights needs one number from 0 up for each of the 3 classes"},
      {"fc K=3\nloss svm", "'svm' is not one of: softmax, hinge, mse"},
  };
  for (const auto& [lines, message] : cases) EXPECT_THAT(refusal_of(lines), HasSubstr(message)) << lines;
}

TEST(WithLoss, ReplacesTheLossLine) {
  const NetworkText network = parse_network("input 4 # four\nfc K=2\nloss softmax # of two\n", "x.net");
  EXPECT_EQ(with_loss(network, "hinge margin=2").text, "input 4 # four\nfc K=2\nloss hinge margin=2\n");
  const NetworkText headless = parse_network("input 4\nfc K=2", "x.net");
  EXPECT_EQ(with_loss(headless, "mse").text, "input 4\nfc K=2\nloss mse\n");
  EXPECT_THROW(with_loss(network, "hinge nonsense=1"), Error);
}

}  // namespace
}  // namespace convoy
