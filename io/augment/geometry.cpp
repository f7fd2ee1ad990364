// Transforms that move pixels.
#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"
#include "io/augment/transform.hpp"

namespace convoy {
namespace {

using Value = TransformWords::Value;

[[noreturn]] void fail_too_small(const std::string& words, PictureSize picture) {
  fail(ExitCode::data, "the picture is ", picture.text(), " where `", words,
       "` meets it, which is too small; put `resize N` before that");
}

/// torchvision's CenterCrop: (all - part) / 2, half to even.
int64_t centre_offset(int64_t all, int64_t part) {
  const int64_t twice = all - part;
  return twice % 2 == 0 ? twice / 2 : twice / 2 + (twice / 2) % 2;
}

Box centre_of(PictureSize all, PictureSize part) {
  return {.top = centre_offset(all.height, part.height),
          .left = centre_offset(all.width, part.width),
          .height = part.height,
          .width = part.width};
}

/// The shorter side to `side`, the other one to scale, rounded down: torchvision's Resize.
PictureSize shorter_side(PictureSize size, int64_t side) {
  if (size.height <= size.width) return {side, std::max<int64_t>(side * size.width / size.height, 1)};
  return {std::max<int64_t>(side * size.height / size.width, 1), side};
}

/// A part of fixed size.
class Crop : public Transform {
 public:
  Crop(std::string words, PictureSize size, int64_t padding = 0)
      : words_(std::move(words)), size_(size), padding_(padding) {}
  TransformKind kind() const override { return TransformKind::places; }
  PictureSize output(PictureSize picture) const override {
    if (picture.known() && !fits(picture)) {
      fail(ExitCode::usage, "`", words_, "` needs a larger picture than ", picture.text(),
           "; put `resize N` before it, or make it smaller");
    }
    return size_;
  }

 protected:
  bool fits(PictureSize picture) const {
    return size_.height <= picture.height + 2 * padding_ && size_.width <= picture.width + 2 * padding_;
  }
  void check(PictureSize picture) const {
    if (!fits(picture)) fail_too_small(words_, picture);
  }

  const std::string words_;
  const PictureSize size_;
  const int64_t padding_;
};

class CentreCrop final : public Crop {
 public:
  using Crop::Crop;
  bool random() const override { return false; }
  void apply(Canvas& canvas, const Draws&) const override {
    check(canvas.size());
    canvas.crop(centre_of(canvas.size(), size_));
  }
};

class RandomCrop final : public Crop {
 public:
  RandomCrop(std::string words, PictureSize size, int64_t padding, uint8_t fill)
      : Crop(std::move(words), size, padding), fill_(fill) {}
  void apply(Canvas& canvas, const Draws& draws) const override {
    const PictureSize picture = canvas.size();
    check(picture);
    const Box box{.top = draws.below(0, picture.height + 2 * padding_ - size_.height + 1) - padding_,
                  .left = draws.below(1, picture.width + 2 * padding_ - size_.width + 1) - padding_,
                  .height = size_.height,
                  .width = size_.width};
    canvas.crop(box, fill_);
  }

 private:
  const uint8_t fill_;
};

class OneOfTen final : public Crop {
 public:
  OneOfTen(PictureSize size, int number) : Crop("ten crops of " + size.text(), size), number_(number) {}
  bool random() const override { return false; }
  void apply(Canvas& canvas, const Draws&) const override {
    const PictureSize picture = canvas.size();
    check(picture);
    Box box = centre_of(picture, size_);
    if (number_ % 5 < 4) {
      box.top = number_ % 5 / 2 == 0 ? 0 : picture.height - size_.height;
      box.left = number_ % 5 % 2 == 0 ? 0 : picture.width - size_.width;
    }
    canvas.crop(box);
    if (number_ >= 5) canvas.flip();
  }

 private:
  const int number_;
};

/// Of pictures that resize() takes, see io/image/resize.hpp.
class Resampling : public Transform {
 public:
  explicit Resampling(const TransformWords& words) : words_(words), size_(words.size()) {}
  TransformKind kind() const override { return TransformKind::resamples; }
  void check_channels(int64_t channels) const override {
    if (channels == 1 || channels == 3) return;
    words_.fail(
        concat("takes grey or colour pictures, these have ", channels, " channels; use crops, flip and shift only"));
  }

 protected:
  const TransformWords words_;
  const PictureSize size_;
};

class Resize final : public Resampling {
 public:
  explicit Resize(const TransformWords& words)
      : Resampling(words), shorter_(words.text().find('x') == std::string::npos) {}
  bool random() const override { return false; }
  PictureSize output(PictureSize picture) const override {
    if (!shorter_) return size_;
    return picture.known() ? shorter_side(picture, size_.height) : PictureSize{};
  }
  int64_t least_side() const override { return shorter_ ? size_.height : 0; }
  void apply(Canvas& canvas, const Draws&) const override {
    const PictureSize from = canvas.size(), to = output(from);
    if (from != to) canvas.resize({.height = from.height, .width = from.width}, to);
  }

 private:
  const bool shorter_;
};

/// torchvision's RandomResizedCrop: up to ten tries of an area and an aspect ratio (uniform in its logarithm), then the
/// largest middle part with an allowed ratio. C. Szegedy et al., "Going deeper with convolutions", CVPR 2015,
/// section 6.
class RandomResizedCrop final : public Resampling {
 public:
  explicit RandomResizedCrop(const TransformWords& words)
      : Resampling(words),
        area_(words.range("area", {.least = 0.08, .most = 1}, 1)),
        ratio_(words.range("ratio", {.least = 3.0 / 4, .most = 4.0 / 3}, 1000)) {}
  PictureSize output(PictureSize) const override { return size_; }
  void apply(Canvas& canvas, const Draws& draws) const override { canvas.resize(part(canvas.size(), draws), size_); }

 private:
  Box part(PictureSize picture, const Draws& draws) const {
    const auto area = static_cast<double>(picture.height * picture.width);
    for (uint64_t attempt = 0; attempt < 10; ++attempt) {
      const uint64_t first = 4 * attempt;
      const double aimed = area * draws.uniform(first, area_.least, area_.most);
      const double ratio = std::exp(draws.uniform(first + 1, std::log(ratio_.least), std::log(ratio_.most)));
      const auto width = static_cast<int64_t>(std::nearbyint(std::sqrt(aimed * ratio)));
      const auto height = static_cast<int64_t>(std::nearbyint(std::sqrt(aimed / ratio)));
      if (width < 1 || width > picture.width || height < 1 || height > picture.height) continue;
      return {.top = draws.below(first + 2, picture.height - height + 1),
              .left = draws.below(first + 3, picture.width - width + 1),
              .height = height,
              .width = width};
    }
    const auto height = static_cast<double>(picture.height), width = static_cast<double>(picture.width);
    PictureSize size = picture;
    if (width / height < ratio_.least) size.height = static_cast<int64_t>(std::nearbyint(width / ratio_.least));
    if (width / height > ratio_.most) size.width = static_cast<int64_t>(std::nearbyint(height * ratio_.most));
    size = {std::clamp<int64_t>(size.height, 1, picture.height), std::clamp<int64_t>(size.width, 1, picture.width)};
    return {.top = (picture.height - size.height) / 2,
            .left = (picture.width - size.width) / 2,
            .height = size.height,
            .width = size.width};
  }

  const NumberRange area_, ratio_;
};

class Flip final : public Transform {
 public:
  explicit Flip(double probability) : probability_(probability) {}
  TransformKind kind() const override { return TransformKind::places; }
  void apply(Canvas& canvas, const Draws& draws) const override {
    if (draws.uniform(0) < probability_) canvas.flip();
  }

 private:
  const double probability_;
};

/// ConvNetJS's augment(): up to `most` pixels in each direction.
class Shift final : public Transform {
 public:
  Shift(int64_t most, uint8_t fill) : most_(most), fill_(fill) {}
  TransformKind kind() const override { return TransformKind::places; }
  void apply(Canvas& canvas, const Draws& draws) const override {
    const PictureSize picture = canvas.size();
    const Box box{.top = draws.below(0, 2 * most_ + 1) - most_,
                  .left = draws.below(1, 2 * most_ + 1) - most_,
                  .height = picture.height,
                  .width = picture.width};
    canvas.crop(box, fill_);
  }

 private:
  const int64_t most_;
  const uint8_t fill_;
};

uint8_t fill_of(const TransformWords& words) {
  return static_cast<uint8_t>(words.integer("fill", 0, 255));
}

}  // namespace

std::unique_ptr<Transform> make_resize(const TransformWords& words) {
  words.check(Value::taken, {});
  return std::make_unique<Resize>(words);
}

std::unique_ptr<Transform> make_centre_crop(const TransformWords& words) {
  words.check(Value::taken, {});
  return std::make_unique<CentreCrop>(words.text(), words.size());
}

std::unique_ptr<Transform> make_random_crop(const TransformWords& words) {
  words.check(Value::taken, {"padding", "fill"});
  return std::make_unique<RandomCrop>(words.text(), words.size(), words.integer("padding", 0, 1 << 16), fill_of(words));
}

std::unique_ptr<Transform> make_random_resized_crop(const TransformWords& words) {
  words.check(Value::taken, {"area", "ratio"});
  return std::make_unique<RandomResizedCrop>(words);
}

std::unique_ptr<Transform> make_flip(const TransformWords& words) {
  words.check(Value::taken, {});
  return std::make_unique<Flip>(words.number(0.5, 0, 1));
}

std::unique_ptr<Transform> make_shift(const TransformWords& words) {
  words.check(Value::taken, {"fill"});
  return std::make_unique<Shift>(words.integer(1), fill_of(words));
}

std::unique_ptr<Transform> make_one_of_ten(PictureSize size, int number) {
  return std::make_unique<OneOfTen>(size, number);
}

}  // namespace convoy
