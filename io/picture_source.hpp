// A dataset's samples as a network takes them: read, decoded, changed by a chain, of the input's size.
#pragma once

#include <string>
#include <vector>

#include "io/augment/augmentation.hpp"
#include "io/augment/mean_image.hpp"
#include "io/shard/dataset.hpp"

namespace convoy {

/// "256x256x3", "of several sizes, 3 channels".
std::string size_text(const Shape& pictures);

/// What is checked where a chain meets a dataset and a network: throws Error(usage), one line that says what to write,
/// unless pictures of `header` come out of the chain as `input`. `key` is the chain's, `folder` the dataset's,
/// `network` the network text's.
void check_pictures_fit(const ShardHeader& header, const Augmentation& chain, const Shape& input,
                        const std::string& key, const std::string& folder, const std::string& network);

class PictureSource {
 public:
  /// What a thread keeps from sample to sample.
  struct Buffers {
    SampleBuffer sample;
    CanvasBuffers canvas;
    void trim();  // gives back what a very large picture left
  };

  /// A dataset as it is; it must outlive this and be of one size.
  PictureSource(const Dataset& dataset);  // NOLINT(google-explicit-constructor): it is one
  /// Each of `chains` makes one picture of `input` from a sample. With a mean image pictures are fp32.
  PictureSource(const Dataset& dataset, const Shape& input, std::vector<Augmentation> chains, uint64_t seed,
                const MeanImage* mean = nullptr);

  const Dataset& dataset() const { return *dataset_; }
  const Shape& image() const { return input_; }
  DType dtype() const { return mean_ ? DType::f32 : dataset_->dtype(); }
  size_t image_bytes() const { return static_cast<size_t>(input_.count()) * size_of(dtype()); }
  int64_t variants() const { return static_cast<int64_t>(chains_.size()); }

  /// Whether samples pass as they are stored, so that Dataset::read may take many at once.
  bool as_stored() const { return as_stored_; }
  /// Whether a picture costs much more than a copy: decoding, resampling.
  bool costly() const;
  /// What Buffers take with pictures of the dataset's size, or of 1,500 x 1,000 where that is not known.
  size_t buffer_bytes() const;

  /// Writes variants() pictures and returns the label. `position` is the sample's in the run: what is drawn depends on
  /// nothing else. Throws Error(data) naming shard and row.
  int32_t read(int64_t sample, int64_t position, Buffers& buffers, std::byte* out) const;

 private:
  void write_variants(const Image& picture, int64_t position, Buffers& buffers, std::byte* out) const;

  const Dataset* dataset_;
  Shape input_;
  std::vector<Augmentation> chains_;
  uint64_t seed_;
  const MeanImage* mean_;
  bool as_stored_;
  int64_t least_side_;
};

/// A dataset for evaluate(): its samples through chains that draw nothing. Threads share a stock of buffers.
class EvaluationReader : public SampleReader {
 public:
  explicit EvaluationReader(PictureSource pictures);
  ~EvaluationReader() override;
  int64_t size() const override;
  int64_t variants() const override;
  void read(int64_t begin, int64_t count, void* images, int32_t* labels) const override;

 private:
  struct Stock;
  PictureSource pictures_;
  std::unique_ptr<Stock> stock_;
};

}  // namespace convoy
