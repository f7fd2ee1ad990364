// See augmentation.hpp.
#include "io/augment/augmentation.hpp"

#include <algorithm>
#include <array>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

struct TransformEntry {
  const char* name;
  std::unique_ptr<Transform> (*make)(const TransformWords& words);
};

constexpr std::array<TransformEntry, 11> table{{{"resize", make_resize},
                                                {"centre-crop", make_centre_crop},
                                                {"random-crop", make_random_crop},
                                                {"random-resized-crop", make_random_resized_crop},
                                                {"flip", make_flip},
                                                {"shift", make_shift},
                                                {"pca-lighting", make_pca_lighting},
                                                {"brightness", make_brightness},
                                                {"contrast", make_contrast},
                                                {"saturation", make_saturation},
                                                {"cutout", make_cutout}}};

std::unique_ptr<Transform> make_transform(const TransformWords& words) {
  for (const TransformEntry& entry : table) {
    if (words.name() == entry.name) return entry.make(words);
  }
  const std::string near = nearest_word(words.name(), transform_names());
  words.fail("there is no such transform; " +
             (near.empty() ? "known are " + join(transform_names(), ", ") : "did you mean '" + near + "'?"));
}

}  // namespace

std::vector<std::string> transform_names() {
  std::vector<std::string> names;
  for (const TransformEntry& entry : table) names.emplace_back(entry.name);
  return names;
}

Augmentation evaluation_chain(const std::string& text) {
  Augmentation chain("eval-augment", text);
  if (chain.random()) {
    fail(ExitCode::usage, "eval-augment: '", chain.text(),
         "' draws random numbers, so that evaluations would not compare; use resize and centre-crop");
  }
  return chain;
}

Augmentation::Augmentation(std::string key, const std::string& text) : key_(std::move(key)) {
  std::vector<std::string> parts;
  for (const TransformWords& words : read_chain(key_, text)) {
    chain_.push_back(make_transform(words));
    ends_in_centre_crop_ = words.name() == "centre-crop";
    parts.push_back(words.text());
  }
  if (!parts.empty()) text_ = join(parts, ", ");
}

bool Augmentation::random() const {
  return std::ranges::any_of(chain_, [](const auto& transform) { return transform->random(); });
}

bool Augmentation::keeps_pixels() const {
  return std::ranges::none_of(chain_, [](const auto& t) { return t->kind() == TransformKind::resamples; });
}

int64_t Augmentation::least_side() const {
  return chain_.empty() ? 0 : chain_.front()->least_side();
}

Shape Augmentation::output(const Shape& picture, DType dtype) const {
  PictureSize size{picture[0], picture[1]};
  try {
    for (const auto& transform : chain_) {
      if (dtype != DType::u8 && transform->kind() != TransformKind::places) {
        fail(ExitCode::usage, "'", text_, "' changes more than places of pixels, which images of ", name_of(dtype),
             " cannot take; use crops, flip and shift only, or import them as uint8");
      }
      transform->check_channels(picture[2]);
      size = transform->output(size);
    }
  } catch (const Error& error) {
    const std::string what = error.what();
    fail(error.code(), what.starts_with(key_ + ":") ? "" : key_ + ": ", what);
  }
  return {size.height, size.width, picture[2]};
}

void Augmentation::apply(Canvas& canvas, const RandomStream& random) const {
  for (size_t place = 0; place < chain_.size(); ++place) chain_[place]->apply(canvas, Draws(random, place));
}

Augmentation Augmentation::before_ten_crops() const {
  Augmentation before = *this;
  if (ends_in_centre_crop_) before.chain_.pop_back();
  return before;
}

std::vector<Augmentation> Augmentation::ten_crops(const Shape& input) const {
  std::vector<Augmentation> crops(10, before_ten_crops());
  for (int number = 0; number < 10; ++number) {
    crops[static_cast<size_t>(number)].chain_.push_back(make_one_of_ten({input[0], input[1]}, number));
  }
  return crops;
}

}  // namespace convoy
