#include "core/graph/network_text.hpp"

#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "core/graph/graph.hpp"

namespace convoy {
namespace {

/// The message of the error that building `text` ends in, or "" when it builds.
std::string error_of(const std::string& text) {
  try {
    build_graph(parse_network(text, "x.net"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST(NetworkText, NamesLayersByKindAndNumber) {
  const NetworkText text =
      parse_network("input 8x8x3 # pixels\n\n  conv K=4 F=3\nrelu\nskip: conv K=4 F=1\nconv K=4 F=1\n", "x");
  ASSERT_EQ(text.lines.size(), 5u);
  EXPECT_EQ(text.lines[1].label, "conv1");
  EXPECT_EQ(text.lines[1].line, 3);
  EXPECT_EQ(text.lines[1].column, 3);
  EXPECT_EQ(text.lines[3].label, "skip");
  EXPECT_EQ(text.lines[4].label, "conv3");
}

TEST(NetworkText, DefaultsHoldForTheLinesThatFollowAndYieldToTheLine) {
  const NetworkText text =
      parse_network("input 8x8x3\nconv K=4 F=3\ndefault fit=floor init=xavier\nconv K=4 F=3 fit=ceil\nrelu\n", "x");
  EXPECT_EQ(text.lines[1].attributes.size(), 2u);
  ASSERT_EQ(text.lines[2].attributes.size(), 4u);
  EXPECT_EQ(text.lines[2].attributes[2].value, "ceil");
  EXPECT_EQ(text.lines[2].attributes[3].value, "xavier");
  EXPECT_TRUE(text.lines[3].attributes.empty());
}

struct BadText {
  const char* text;
  const char* message;
};

class BadNetwork : public ::testing::TestWithParam<BadText> {};

TEST_P(BadNetwork, IsRefusedWithItsPlaceAndRemedy) {
  EXPECT_EQ(error_of(GetParam().text), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadNetwork,
    ::testing::Values(
        BadText{"", "x.net:1:1: no layers; a network starts with a line such as 'input 28x28x1'"},
        BadText{"conv K=3 F=1", "x.net:1:1: a network starts with its input, such as 'input 28x28x1'"},
        BadText{"input 8x8x3\ncnov K=3 F=1", "x.net:2:1: no layer kind 'cnov'; did you mean 'conv'?"},
        BadText{"input 8x8x3\nconv K=3 F=1 fitt=floor",
                "x.net:2:14: conv has no attribute 'fitt'; did you mean 'fit'?"},
        BadText{"input 8x8x3\nconv K=3 F=1 fit=flor",
                "x.net:2:18: 'flor' is not one of: exact, floor, ceil; did you mean 'floor'?"},
        BadText{"input 8x8x3\nconv F=1", "x.net:2:1: conv needs K=NUMBER"},
        BadText{"input 8x8x3\nconv K=0 F=1", "x.net:2:8: K=0 is not a whole number from 1 to 1048576"},
        BadText{"input 8x8x3\nconv K=3 K=4 F=1", "x.net:2:10: 'K' is given twice; keep one"},
        BadText{"input 8x8x3\nconv K= F=1", "x.net:2:8: 'K=' has no value; write KEY=VALUE"},
        BadText{"input 8x8x3\nrelu fast", "x.net:2:6: unexpected 'fast'; attributes are KEY=VALUE"},
        BadText{"input 8x8", "x.net:1:7: '8x8' is not a shape; write HEIGHTxWIDTHxCHANNELS, as in 28x28x1"},
        BadText{"input 7x7x1\nmaxpool F=3 S=3",
                "x.net:2:11: 7x7 input, F=3, S=3, P=0 (height): (7 - 3 + 2*0)/3 + 1 = 2.333 is not whole; change F, S "
                "or P, or "
                "add fit=floor or fit=ceil"},
        BadText{"input 7x7x1\nconv K=2 F=9",
                "x.net:2:12: 7x7 input, F=9, S=1, P=0 (height): (7 - 9 + 2*0)/1 + 1 = -1; the window is larger than "
                "its input, "
                "make F smaller or P larger"},
        BadText{"input 8x8x3\nfc K=2\nconv K=2 F=1",
                "x.net:3:1: conv reads an image (height x width x channels), but its input is flat (2); put it before "
                "the first fc"},
        BadText{"input 8x8x3\nconv K=4 F=1 G=2", "x.net:2:16: G=2 must divide the 3 input channels and K=4"},
        BadText{"input 8x8x3\nrelu from=b", "x.net:2:11: no earlier layer is called 'b'; known here: input1"},
        BadText{"input 8\na: relu\na: relu", "x.net:3:1: 'a' names an earlier layer already; choose another label"},
        BadText{"input 8\nloss softmax\nrelu", "x.net:3:1: nothing can follow the loss; move it to the end"},
        BadText{"input 8\nloss softmx",
                "x.net:2:6: 'softmx' is not one of: softmax, hinge, mse; did you mean 'softmax'?"},
        BadText{"input 8\nfc K=2\nfc K=3 from=input1",
                "x.net:2:1: nothing reads the output of 'fc1'; use it or remove the line"},
        BadText{"input 8\ndefault fiit=floor", "x.net:2:9: no layer has an attribute 'fiit'; did you mean 'fit'?"},
        BadText{"input 1000000x1000000x1",
                "x.net:1:1: input1's output would be 1000000x1000000x1, more than 2,147,483,647 elements"}),
    [](const auto& test) { return "case" + std::to_string(test.index); });

TEST(NetworkText, RefusesWhatIsTooLongToBeANetwork) {
  EXPECT_NE(error_of(std::string((1 << 20) + 1, '#')).find("too long for a network"), std::string::npos);
  EXPECT_NE(error_of(std::string(20'000, '\n')).find("more than 10,000 lines"), std::string::npos);
}

TEST(NetworkText, AFileThatIsNotThereIsNamed) {
  try {
    read_network("/nowhere/x.net");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/nowhere/x.net: the network text cannot be read; check the path after --net");
  }
}

}  // namespace
}  // namespace convoy
