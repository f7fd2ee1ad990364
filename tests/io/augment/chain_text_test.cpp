// The text of a chain: what it knows, and one clear line for what it does not.
#include "tests/io/augment/chain_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const Shape imagenet = {256, 256, 3};

std::string refusal(const std::string& text) {
  return error_of(ExitCode::usage, [&] { Augmentation("augment", text); });
}

TEST(ChainText, KeepsWhatWasWritten) {
  EXPECT_EQ(Augmentation("augment", "none").text(), "none");
  EXPECT_TRUE(Augmentation("augment", "none").empty());
  EXPECT_EQ(Augmentation().text(), "none");
  EXPECT_EQ(Augmentation("augment", "random-crop  224   padding=4,flip ,pca-lighting 0.1").text(),
            "random-crop 224 padding=4, flip, pca-lighting 0.1");
}

TEST(ChainText, KnowsWhatComesOut) {
  const auto output = [](const std::string& text, const Shape& from) {
    return Augmentation("augment", text).output(from, DType::u8);
  };
  EXPECT_EQ(output("none", imagenet), imagenet);
  EXPECT_EQ(output("random-resized-crop 8, resize 4x5", {28, 28, 1}), Shape({4, 5, 1}));
  EXPECT_EQ(output("random-crop 224, flip, pca-lighting", imagenet), Shape({224, 224, 3}));
  EXPECT_EQ(output("random-crop 32 padding=4", {32, 32, 3}), Shape({32, 32, 3}));
  EXPECT_EQ(output("random-resized-crop 224x192", {0, 0, 3}), Shape({224, 192, 3}));
  EXPECT_EQ(output("resize 256", {0, 0, 3}), Shape({0, 0, 3}));
  EXPECT_EQ(output("resize 256, centre-crop 224", {0, 0, 1}), Shape({224, 224, 1}));
  EXPECT_EQ(output("resize 256", {375, 500, 3}), Shape({256, 341, 3}));  // 341.33: torchvision rounds down
  EXPECT_EQ(output("resize 256", {500, 375, 3}), Shape({341, 256, 3}));
  EXPECT_EQ(output("resize 30x20", {500, 375, 3}), Shape({30, 20, 3}));
  EXPECT_EQ(output("shift 2, cutout 8, brightness 0.4", {32, 32, 3}), Shape({32, 32, 3}));
}

TEST(ChainText, TellsWhatDraws) {
  EXPECT_FALSE(Augmentation("eval-augment", "resize 256, centre-crop 224").random());
  EXPECT_TRUE(Augmentation("eval-augment", "resize 256, flip").random());
  EXPECT_FALSE(evaluation_chain("resize 256, centre-crop 224").empty());
  EXPECT_THAT(error_of(ExitCode::usage, [] { evaluation_chain("centre-crop 224, flip"); }),
              AllOf(StartsWith("eval-augment: "), HasSubstr("draws random numbers"), HasSubstr("centre-crop")));
}

TEST(ChainText, RefusesUnknownNamesWithASuggestion) {
  EXPECT_THAT(refusal("flipp"), AllOf(StartsWith("augment: `flipp`: "), HasSubstr("did you mean 'flip'?")));
  EXPECT_THAT(refusal("center-crop 224"), HasSubstr("did you mean 'centre-crop'?"));
  EXPECT_THAT(refusal("swirl 3"), HasSubstr("known are resize, centre-crop, random-crop"));
  EXPECT_THAT(refusal("random-crop 32 pading=4"), HasSubstr("did you mean 'padding'?"));
  EXPECT_THAT(refusal("centre-crop 32 padding=4"), HasSubstr("it takes none"));
  EXPECT_THAT(refusal("random-resized-crop 32 scale=0.1"), HasSubstr("it knows area, ratio"));
}

TEST(ChainText, RefusesWrongValues) {
  EXPECT_THAT(refusal("random-crop"), HasSubstr("write `random-crop 224`"));
  for (const char* text : {"random-crop 0",
                           "random-crop -3",
                           "resize 20x",
                           "resize x20",
                           "resize 2.5",
                           "shift",
                           "shift 0",
                           "cutout many",
                           "brightness",
                           "brightness -0.1",
                           "contrast nan",
                           "flip 1.5",
                           "flip 50%",
                           "random-crop 32 padding=-1",
                           "random-crop 32 padding=4 padding=4",
                           "random-crop 32 fill=256",
                           "random-resized-crop 32 area=0..1",
                           "random-resized-crop 32 area=0.5..1.5",
                           "random-resized-crop 32 ratio=2..1",
                           "random-resized-crop 32 ratio=",
                           "random-crop 32 =4",
                           "resize 9999999999999999999"}) {
    EXPECT_THAT(refusal(text), HasSubstr(text));
  }
  EXPECT_THAT(refusal("flip pca-lighting 0.1"), HasSubstr("comma"));
  EXPECT_THAT(refusal("flip, , flip"), HasSubstr("missing"));
  EXPECT_THAT(refusal("flip, none"), HasSubstr("`none`"));
  EXPECT_THAT(refusal(""), HasSubstr("or none"));
}

TEST(ChainText, RefusesPicturesThatDoNotFit) {
  const auto wrong = [](const std::string& text, const Shape& shape, DType dtype = DType::u8) {
    const Augmentation chain("augment", text);
    return error_of(ExitCode::usage, [&] { chain.output(shape, dtype); });
  };
  EXPECT_THAT(wrong("flip, random-crop 32", {28, 28, 1}),
              AllOf(StartsWith("augment: "), HasSubstr("`random-crop 32`"), HasSubstr("28x28"), HasSubstr("resize")));
  EXPECT_THAT(wrong("random-crop 40 padding=5", {29, 31, 1}), HasSubstr("29x31"));
  EXPECT_THAT(wrong("pca-lighting", {28, 28, 1}), AllOf(StartsWith("augment: "), HasSubstr("grey")));
  EXPECT_THAT(wrong("saturation 0.5", {28, 28, 1}), HasSubstr("grey"));
  for (const char* text : {"resize 32", "random-resized-crop 24"}) {
    for (const int64_t channels : {2, 4}) {
      EXPECT_THAT(wrong(text, {28, 28, channels}),
                  AllOf(StartsWith("augment: "), HasSubstr(text), HasSubstr(std::to_string(channels) + " channels")));
    }
  }
  EXPECT_THAT(wrong("flip, brightness 0.5", {28, 28, 3}, DType::f32), AllOf(HasSubstr("fp32"), HasSubstr("uint8")));
}

}  // namespace
}  // namespace convoy
