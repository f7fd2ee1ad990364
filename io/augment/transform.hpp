// One step of a chain.
#pragma once

#include <memory>

#include "core/base/random.hpp"
#include "io/augment/canvas.hpp"
#include "io/augment/words.hpp"

namespace convoy {

/// The random numbers of one transform for one sample: a block of the sample's stream that belongs to its place in the
/// chain.
class Draws {
 public:
  static constexpr uint64_t each = 64;  // numbers of one transform

  Draws(const RandomStream& random, size_t place) : random_(random), first_(place * each) {}

  /// In [least, most).
  double uniform(uint64_t index, double least = 0, double most = 1) const {
    return least + (most - least) * static_cast<double>(random_.uniform(first_ + index));
  }
  /// `index` below each / 2. A normal number takes two words of the stream, so that half as many fill the same place.
  double normal(uint64_t index) const { return static_cast<double>(random_.normal(first_ / 2 + index)); }
  /// One of [0, n), n up to 2^32.
  int64_t below(uint64_t index, int64_t n) const {
    const uint64_t word = random_.block((first_ + index) / 4).word[(first_ + index) % 4];
    return static_cast<int64_t>((word * static_cast<uint64_t>(n)) >> 32);
  }

 private:
  const RandomStream& random_;
  uint64_t first_;
};

/// What a transform does, as far as a chain must know.
enum class TransformKind {
  places,     // moves pixels, changes none: crop, flip, shift
  resamples,  // resize
  colours,    // changes pixels where they are
};

class Transform {
 public:
  virtual ~Transform() = default;
  virtual TransformKind kind() const = 0;
  virtual bool random() const { return true; }
  /// Of pictures of `size`; unknown where it depends on each picture. Throws Error(usage) where they do not fit.
  virtual PictureSize output(PictureSize size) const { return size; }
  /// The shorter side that a picture is brought to, whatever it was; 0: something else is done with it.
  virtual int64_t least_side() const { return 0; }
  /// Throws Error(usage) for pictures with so many channels.
  virtual void check_channels(int64_t) const {}
  /// Throws Error(data) for a picture too small.
  virtual void apply(Canvas& canvas, const Draws& draws) const = 0;
};

std::unique_ptr<Transform> make_resize(const TransformWords& words);
std::unique_ptr<Transform> make_centre_crop(const TransformWords& words);
std::unique_ptr<Transform> make_random_crop(const TransformWords& words);
std::unique_ptr<Transform> make_random_resized_crop(const TransformWords& words);
std::unique_ptr<Transform> make_flip(const TransformWords& words);
std::unique_ptr<Transform> make_shift(const TransformWords& words);
std::unique_ptr<Transform> make_pca_lighting(const TransformWords& words);
std::unique_ptr<Transform> make_brightness(const TransformWords& words);
std::unique_ptr<Transform> make_contrast(const TransformWords& words);
std::unique_ptr<Transform> make_saturation(const TransformWords& words);
std::unique_ptr<Transform> make_cutout(const TransformWords& words);

/// Crop `number` of AlexNet's ten, 0 to 9: the corners (top left, top right, bottom left, bottom right) and the centre,
/// then their mirrors.
std::unique_ptr<Transform> make_one_of_ten(PictureSize size, int number);

}  // namespace convoy
