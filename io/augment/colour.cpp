// Transforms that change pixels where they are.
#include <algorithm>
#include <array>
#include <cmath>

#include "io/augment/kernels.hpp"
#include "io/augment/transform.hpp"

namespace convoy {
namespace {

using Value = TransformWords::Value;

int64_t pixels_of(const Canvas& canvas) {
  return canvas.size().height * canvas.size().width;
}

class ColourTransform : public Transform {
 public:
  explicit ColourTransform(const TransformWords& words) : words_(words) {}
  TransformKind kind() const override { return TransformKind::colours; }

 protected:
  const TransformWords words_;
};

/// Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012, section 4.1: along each
/// principal component of ImageNet's colours a normal multiple, of deviation sigma, of its eigenvalue. The paper does
/// not print the numbers; these are in use everywhere since fb.resnet.torch (Facebook, 2016), in grey levels.
class PcaLighting final : public ColourTransform {
 public:
  explicit PcaLighting(const TransformWords& words) : ColourTransform(words), sigma_(words.number(0.1, 0, 100)) {}
  void check_channels(int64_t channels) const override {
    if (channels != 3) words_.fail("takes colour pictures, these are grey; leave it out");
  }
  void apply(Canvas& canvas, const Draws& draws) const override {
    constexpr std::array<double, 3> values = {55.46, 4.794, 1.148};
    constexpr double vectors[3][3] = {
        {-0.5675, 0.7192, 0.4009}, {-0.5808, -0.0045, -0.8140}, {-0.5836, -0.6948, 0.4203}};
    std::array<double, 3> along;
    for (size_t k = 0; k < 3; ++k) along[k] = sigma_ * draws.normal(k) * values[k];
    std::array<int, 3> added;
    for (size_t c = 0; c < 3; ++c) {
      const double sum = vectors[c][0] * along[0] + vectors[c][1] * along[1] + vectors[c][2] * along[2];
      added[c] = static_cast<int>(std::clamp(std::nearbyint(sum), -255.0, 255.0));
    }
    add_to_channels(canvas.pixels(), pixels_of(canvas), added);
  }

 private:
  const double sigma_;
};

/// What brightness, contrast and saturation have in common: a ratio drawn from [max(0, 1 - value), 1 + value], and
/// ratio v + (1 - ratio) u in fp32, cut to [0, 255] and rounded down (torchvision's ColorJitter on uint8 tensors).
class Blend : public ColourTransform {
 public:
  explicit Blend(const TransformWords& words) : ColourTransform(words), most_(words.number(-1, 0, 100)) {
    if (!words.has_value()) words.fail("how much is missing; write `" + words.name() + " 0.4`");
  }

 protected:
  double ratio(const Draws& draws) const { return draws.uniform(0, std::max(0.0, 1 - most_), 1 + most_); }

  static void blend_with(Canvas& canvas, double ratio, float other) {
    blend_with_level(canvas.pixels(), pixels_of(canvas) * canvas.channels(), static_cast<float>(ratio),
                     static_cast<float>(1 - ratio) * other);
  }

 private:
  const double most_;
};

class Brightness final : public Blend {
 public:
  using Blend::Blend;
  void apply(Canvas& canvas, const Draws& draws) const override { blend_with(canvas, ratio(draws), 0); }
};

/// u is the mean of the picture's grey levels.
class Contrast final : public Blend {
 public:
  using Blend::Blend;
  void apply(Canvas& canvas, const Draws& draws) const override {
    const int64_t count = pixels_of(canvas);
    const uint8_t* pixels = canvas.pixels();
    int64_t sum = 0;
    if (canvas.channels() == 3) {
      sum = sum_of_grey(pixels, count);
    } else {
      for (int64_t i = 0; i < count; ++i) sum += pixels[i];
    }
    blend_with(canvas, ratio(draws), static_cast<float>(static_cast<double>(sum) / static_cast<double>(count)));
  }
};

/// u is the pixel's own grey level.
class Saturation final : public Blend {
 public:
  using Blend::Blend;
  void check_channels(int64_t channels) const override {
    if (channels != 3) words_.fail("takes colour pictures, these are grey; leave it out");
  }
  void apply(Canvas& canvas, const Draws& draws) const override {
    const double drawn = ratio(draws);
    blend_with_grey(canvas.pixels(), pixels_of(canvas), static_cast<float>(drawn), static_cast<float>(1 - drawn));
  }
};

/// A square around a pixel drawn from all of them, as much of it as lies in the picture. T. DeVries and G. Taylor,
/// "Improved regularization of convolutional neural networks with cutout", 2017.
class Cutout final : public ColourTransform {
 public:
  explicit Cutout(const TransformWords& words)
      : ColourTransform(words), size_(words.integer(1)), fill_(static_cast<uint8_t>(words.integer("fill", 0, 255))) {}
  void apply(Canvas& canvas, const Draws& draws) const override {
    const PictureSize picture = canvas.size();
    const int64_t top = draws.below(0, picture.height) - size_ / 2, left = draws.below(1, picture.width) - size_ / 2;
    const int64_t x0 = std::max<int64_t>(left, 0), x1 = std::min(left + size_, picture.width);
    uint8_t* pixels = canvas.pixels();
    for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + size_, picture.height); ++y) {
      uint8_t* row = pixels + y * picture.width * canvas.channels();
      std::fill(row + x0 * canvas.channels(), row + x1 * canvas.channels(), fill_);
    }
  }

 private:
  const int64_t size_;
  const uint8_t fill_;
};

template <typename T>
std::unique_ptr<Transform> make(const TransformWords& words, const std::vector<std::string>& keys = {}) {
  words.check(Value::taken, keys);
  return std::make_unique<T>(words);
}

}  // namespace

std::unique_ptr<Transform> make_pca_lighting(const TransformWords& words) {
  return make<PcaLighting>(words);
}
std::unique_ptr<Transform> make_brightness(const TransformWords& words) {
  return make<Brightness>(words);
}
std::unique_ptr<Transform> make_contrast(const TransformWords& words) {
  return make<Contrast>(words);
}
std::unique_ptr<Transform> make_saturation(const TransformWords& words) {
  return make<Saturation>(words);
}
std::unique_ptr<Transform> make_cutout(const TransformWords& words) {
  return make<Cutout>(words, {"fill"});
}

}  // namespace convoy
