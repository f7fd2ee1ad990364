// Augmentation: an ordered chain of changes made to a picture before the network sees it.
//
//   resize N|HxW              the shorter side to N, or exactly to HxW
//   centre-crop N|HxW         the middle
//   random-crop N|HxW         padding=P pixels on all sides first, of grey level fill=V (0)
//   random-resized-crop N|HxW a part of area=0.08..1 of the picture, of aspect ratio=3/4..4/3, resampled
//   flip [P]                  left and right swapped, with probability P (0.5)
//   shift N                   up to N pixels in each direction, the rest is fill=V (0)
//   pca-lighting [SIGMA]      AlexNet's change of colour (0.1)
//   brightness|contrast|saturation X    torchvision's, by a factor from [1-X, 1+X]
//   cutout N                  a square of N pixels is fill=V (0)
//
// What is drawn is a pure function of (seed, position of the sample in the run, place in the chain, transform): it
// depends on neither workers, threads nor time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/tensor/dtype.hpp"
#include "core/tensor/shape.hpp"
#include "io/augment/transform.hpp"

namespace convoy {

class Augmentation {
 public:
  /// No change.
  Augmentation() = default;
  /// `text` as above, "none" for none; `key` is what messages call it. Throws Error(usage).
  Augmentation(std::string key, const std::string& text);

  /// The chain with single spaces, or "none".
  const std::string& text() const { return text_; }
  bool empty() const { return chain_.empty(); }
  /// Whether anything is drawn.
  bool random() const;

  /// What becomes of pictures (H,W,C) of `dtype`, H = W = 0 where they differ: of the result likewise. Throws
  /// Error(usage) for those that the chain cannot take.
  Shape output(const Shape& picture, DType dtype) const;

  /// Throws Error(data) for a picture too small.
  void apply(Canvas& canvas, const RandomStream& random) const;

  /// Whether every pixel that comes out came from one place (no resampling), so that a mean picture can be taken off.
  bool keeps_pixels() const;

  /// How short the shorter side of a picture may be before the chain without loss: what a leading `resize N` makes of
  /// it; 0: it shall be whole.
  int64_t least_side() const;

  /// AlexNet's ten crops, four corners, the centre and their mirrors, in place of a closing centre-crop: ten chains.
  /// Krizhevsky et al. 2012, section 4.1.
  std::vector<Augmentation> ten_crops(const Shape& input) const;
  /// What makes the pictures that these are taken from.
  Augmentation before_ten_crops() const;

 private:
  std::string key_ = "augment", text_ = "none";
  std::vector<std::shared_ptr<const Transform>> chain_;  // copies share them: they hold nothing that changes
  bool ends_in_centre_crop_ = false;
};

/// The chain of the key eval-augment. Throws Error(usage) for one that draws.
Augmentation evaluation_chain(const std::string& text);

/// The names of all transforms.
std::vector<std::string> transform_names();

}  // namespace convoy
