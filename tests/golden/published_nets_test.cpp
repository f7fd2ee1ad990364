// The networks of experiments/nets have the parameters their papers and other frameworks publish.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/base/text.hpp"
#include "core/graph/graph.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

struct Published {
  int64_t parameters;
  Shape input;
  int64_t classes;
  int64_t million_multiply_adds;  // per image, rounded; of conv and fc
};

// Counts: torchvision's model pages (alexnet, vgg16, resnet18, resnet50, squeezenet1_0); Caffe's models (lenet,
// cifar10_full, AlexNet in two groups, bvlc_googlenet without its auxiliary heads); the layers of the paper (allcnn:
// its Table 1) and of ConvNetJS's demo.
const std::map<std::string, Published> published{
    {"lenet", {431080, {28, 28, 1}, 10, 2}},
    {"convnetjs-cifar10", {22466, {32, 32, 3}, 10, 4}},
    {"cifar10-full", {89578, {32, 32, 3}, 10, 12}},
    {"alexnet", {61100840, {224, 224, 3}, 1000, 714}},
    {"alexnet-2012", {60965224, {227, 227, 3}, 1000, 724}},
    {"vgg16", {138357544, {224, 224, 3}, 1000, 15470}},
    {"resnet18", {11689512, {224, 224, 3}, 1000, 1814}},
    {"resnet50", {25557032, {224, 224, 3}, 1000, 4089}},
    {"googlenet", {6998552, {224, 224, 3}, 1000, 1583}},
    {"squeezenet", {1248424, {224, 224, 3}, 1000, 819}},
    {"allcnn", {1369738, {32, 32, 3}, 10, 271}},
};

TEST(PublishedNets, AgreeWithTheirPublishedCounts) {
  for (const auto& [name, expected] : published) {
    SCOPED_TRACE(name);
    const Graph graph = build_graph(read_network(std::string(CONVOY_SOURCE_DIR "/experiments/nets/") + name + ".net"));
    EXPECT_EQ(graph.parameters(), expected.parameters);
    EXPECT_EQ(graph.input(), expected.input);
    ASSERT_GE(graph.loss(), 0);
    EXPECT_EQ(graph.nodes[graph.prediction()].output.count(), expected.classes);
    int64_t multiply_adds = 0;
    for (const Node& node : graph.nodes) {
      if (node.kind == "conv" || node.kind == "fc") multiply_adds += node.layer->multiply_adds();
    }
    EXPECT_EQ((multiply_adds + 500'000) / 1'000'000, expected.million_multiply_adds);
  }
}

TEST(PublishedNets, AreAllHeldToACountAndSayItThemselves) {
  for (const auto& entry : fs::directory_iterator(CONVOY_SOURCE_DIR "/experiments/nets")) {
    const std::string name = entry.path().stem();
    ASSERT_TRUE(published.contains(name)) << name << " is in no test; add its published count";
    std::ifstream file(entry.path());
    std::string comment, line;
    while (std::getline(file, line) && line.starts_with("# ")) comment += line.substr(1);
    EXPECT_NE(comment.find(" " + with_commas(published.at(name).parameters) + " parameters"), std::string::npos)
        << name << " must open with a comment that states its parameters";
  }
}

}  // namespace
}  // namespace convoy
