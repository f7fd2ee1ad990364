// See picture_source.hpp.
#include "io/picture_source.hpp"

#include <algorithm>
#include <mutex>

#include "core/base/error.hpp"

namespace convoy {
namespace {

constexpr size_t kept_bytes = 32 << 20;  // of one buffer, after a picture larger than that

/// "224", or "224x192".
std::string size_words(const Shape& shape) {
  return shape[0] == shape[1] ? concat(shape[0]) : concat(shape[0], "x", shape[1]);
}

/// A chain that would do.
std::string advice(const Shape& picture, const Shape& input, const std::string& key) {
  const std::string size = size_words(input);
  const int64_t least = std::max(input[0], input[1]);
  const bool evaluation = key != "augment";
  if (picture[0] >= input[0] && picture[1] >= input[1]) {
    return evaluation ? "centre-crop " + size : "random-crop " + size + ", flip";
  }
  return concat("resize ", least + least / 7, evaluation ? ", centre-crop " : ", random-crop ", size,
                evaluation ? "" : ", flip");
}

}  // namespace

std::string size_text(const Shape& shape) {
  return shape[0] > 0 ? shape.text() : concat("of several sizes, ", shape[2], shape[2] == 1 ? " channel" : " channels");
}

void check_pictures_fit(const ShardHeader& header, const Augmentation& chain, const Shape& input,
                        const std::string& key, const std::string& folder, const std::string& network) {
  const auto sizes = [&](const Shape& pictures) {
    return concat(network, ": the network's input is ", input.text(), ", images of ", folder, " are ",
                  size_text(pictures));
  };
  if (header.image[2] != input[2]) {
    const bool imported = input[2] == 1 || input[2] == 3;
    fail(ExitCode::usage, sizes(header.image), "; write `input ", input[0], "x", input[1], "x", header.image[2],
         "`, or ", imported ? concat("import the pictures with `--channels ", input[2], "`") : "use other data");
  }
  const Shape out = chain.output(header.image, header.dtype);
  if (out == input) return;
  if (!chain.empty()) {
    fail(ExitCode::usage, sizes(out), " after '", chain.text(), "'; end ", key, " with `",
         key == "augment" ? "random-crop " : "centre-crop ", size_words(input), "`");
  }
  const bool known = header.image[0] > 0;
  const bool larger = known && header.image[0] >= input[0] && header.image[1] >= input[1];
  const std::string other = known ? concat("write `input ", header.image.text(), "`, or `") : "write `";
  if (header.dtype != DType::u8 && !larger) {
    fail(ExitCode::usage, sizes(header.image), "; write `input ", header.image.text(), "`, or use other data");
  }
  fail(ExitCode::usage, sizes(header.image), "; ", other, key, " = ", advice(header.image, input, key), "`");
}

void PictureSource::Buffers::trim() {
  const auto trim_one = [](auto& bytes) {
    if (bytes.capacity() > kept_bytes) bytes = {};
  };
  trim_one(sample.encoded);
  for (Image* image : {&sample.image, &canvas.picture[0], &canvas.picture[1]}) trim_one(image->pixels);
}

PictureSource::PictureSource(const Dataset& dataset) : PictureSource(dataset, dataset.image(), {Augmentation()}, 0) {}

PictureSource::PictureSource(const Dataset& dataset, const Shape& input, std::vector<Augmentation> chains,
                             uint64_t seed, const MeanImage* mean)
    : dataset_(&dataset), input_(input), chains_(std::move(chains)), seed_(seed), mean_(mean) {
  as_stored_ = !mean && dataset.encoding() == Encoding::raw && chains_.size() == 1 && chains_.front().empty();
  least_side_ = chains_.front().least_side();
  for (const Augmentation& chain : chains_) least_side_ = chain.least_side() == least_side_ ? least_side_ : 0;
}

bool PictureSource::costly() const {
  return dataset_->encoding() != Encoding::raw ||
         std::ranges::any_of(chains_, [](const Augmentation& chain) { return !chain.keeps_pixels(); });
}

size_t PictureSource::buffer_bytes() const {
  if (as_stored_) return 0;
  const auto picture = static_cast<size_t>(std::max<int64_t>(dataset_->image().count(), 1500 * 1000));
  if (dataset_->encoding() != Encoding::raw) return 3 * picture;
  return dataset_->image_bytes() + (chains_.front().keeps_pixels() ? image_bytes() : 2 * picture);
}

int32_t PictureSource::read(int64_t sample, int64_t position, Buffers& buffers, std::byte* out) const {
  if (dataset_->dtype() != DType::u8) {
    buffers.sample.encoded.resize(dataset_->image_bytes());
    int32_t label = 0;
    dataset_->read(sample, 1, buffers.sample.encoded.data(), &label);
    const Shape& shape = dataset_->image();
    for (const Augmentation& chain : chains_) {
      Canvas canvas(reinterpret_cast<const float*>(buffers.sample.encoded.data()), {shape[0], shape[1]}, shape[2],
                    buffers.canvas);
      chain.apply(canvas, RandomStream(seed_, RandomPurpose::augment, static_cast<uint64_t>(position)));
      canvas.write(out);
      out += image_bytes();
    }
    return label;
  }
  const int32_t label = dataset_->read_sample(sample, buffers.sample, least_side_);
  try {
    write_variants(buffers.sample.image, position, buffers, out);
  } catch (const Error& error) {
    fail(error.code(), dataset_->place_of(sample), ": ", error.what());
  }
  buffers.trim();
  return label;
}

void PictureSource::write_variants(const Image& picture, int64_t position, Buffers& buffers, std::byte* out) const {
  const RandomStream random(seed_, RandomPurpose::augment, static_cast<uint64_t>(position));
  for (const Augmentation& chain : chains_) {
    Canvas canvas(picture, buffers.canvas);
    chain.apply(canvas, random);
    const Shape made{canvas.size().height, canvas.size().width, canvas.channels()};
    if (made != input_) {
      fail(ExitCode::data, "the picture is ", made.text(), ", the network's input is ", input_.text(),
           "; choose augment and eval-augment so that they end in a crop of that size");
    }
    if (mean_) {
      canvas.write_without_mean(mean_->pixels.data(), {mean_->shape[0], mean_->shape[1]},
                                reinterpret_cast<float*>(out));
    } else {
      canvas.write(out);
    }
    out += image_bytes();
  }
}

struct EvaluationReader::Stock {
  std::mutex mutex;
  std::vector<std::unique_ptr<PictureSource::Buffers>> free;
};

EvaluationReader::EvaluationReader(PictureSource pictures)
    : pictures_(std::move(pictures)), stock_(std::make_unique<Stock>()) {}

EvaluationReader::~EvaluationReader() = default;

int64_t EvaluationReader::size() const {
  return pictures_.dataset().size();
}

int64_t EvaluationReader::variants() const {
  return pictures_.variants();
}

void EvaluationReader::read(int64_t begin, int64_t count, void* images, int32_t* labels) const {
  if (pictures_.as_stored()) return pictures_.dataset().read(begin, count, images, labels);
  std::unique_ptr<PictureSource::Buffers> buffers;
  {
    const std::lock_guard lock(stock_->mutex);
    if (!stock_->free.empty()) {
      buffers = std::move(stock_->free.back());
      stock_->free.pop_back();
    }
  }
  if (!buffers) buffers = std::make_unique<PictureSource::Buffers>();
  auto* out = static_cast<std::byte*>(images);
  for (int64_t i = 0; i < count; ++i) {
    labels[i] = pictures_.read(begin + i, begin + i, *buffers, out);
    out += static_cast<size_t>(pictures_.variants()) * pictures_.image_bytes();
  }
  const std::lock_guard lock(stock_->mutex);
  stock_->free.push_back(std::move(buffers));
}

}  // namespace convoy
