// Stages of the input side, each run by all threads at once, as the threads of a pipeline do: one batch a thread.
#include "launchers/run/input_timing.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/error.hpp"
#include "core/base/median.hpp"
#include "core/base/timer.hpp"
#include "core/ops/pixels.hpp"
#include "io/image/decode.hpp"
#include "io/pages.hpp"
#include "io/sampler.hpp"
#include "launchers/run/cpus.hpp"

namespace convoy {
namespace {

constexpr uint64_t made_up_bytes = uint64_t{512} << 20;
constexpr int64_t lane_images = 8;  // floats are made for a lane at a time, as networks take them

/// What one thread works with.
struct Bench {
  Pages batch;                  // (B,H,W,C) as stored
  std::vector<int32_t> labels;  // (B)
  Pages floats;                 // (lane_images,h,w,C)
  std::vector<uint8_t> whole, cropped;
  SampleBuffer sample;
};

class InputStages {
 public:
  explicit InputStages(const InputTimingOptions& options);
  InputTiming run();

 private:
  using Work = std::function<void(int64_t position, Bench& bench)>;  // a batch from this position on
  struct Stage {
    StageTiming timing;
    Work work;
    std::vector<double> rates{};
  };

  void add_raw_stages();
  void add_encoded_stages();
  void read_batch(const Dataset& dataset, int64_t position, Bench& bench) const;
  void read_encoded_batch(const Dataset& dataset, int64_t position, Bench& bench) const;
  void decode_batch(int64_t position, Bench& bench) const;
  void floats_of_batch(int64_t position, Bench& bench) const;
  void to_floats(int64_t i, int64_t sample, const uint8_t* pixels, Bench& bench) const;
  void copy_batch(int64_t position, Bench& bench) const;
  void decode_from_memory(int64_t position, Bench& bench) const;
  double rate(const Stage& stage, double seconds);

  int64_t sample_at(int64_t position) const { return sampler_->sample(position); }

  InputTimingOptions options_;
  int threads_;
  std::unique_ptr<Dataset> unchecked_, checked_;
  std::optional<Sampler> sampler_;
  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<Pixels> pixels_;
  Shape shown_;                                  // (h,w,C), what becomes floats
  Pages memory_;                                 // images for the copy
  int64_t memory_images_ = 0;                    //
  std::vector<std::vector<std::byte>> encoded_;  // for decoding alone
  std::vector<Bench> benches_;
  std::vector<Stage> stages_;  // the first is the limit
  std::atomic<int64_t> next_{0};
};

InputStages::InputStages(const InputTimingOptions& options)
    : options_(options), threads_(options.threads > 0 ? options.threads : usable_cpus()) {
  const auto access = options.direct ? ReadOptions::Access::direct : ReadOptions::Access::page_cache;
  const std::vector<ReadOptions> reads = {{.checks = ReadOptions::Checks::off, .access = access},
                                          {.checks = ReadOptions::Checks::on, .access = access}};
  std::vector<std::unique_ptr<Dataset>> datasets;
  if (options.data.empty()) {
    auto& made_up = options_.made_up;
    const auto one = static_cast<uint64_t>(made_up.image.count());
    if (made_up.images == 0) made_up.images = static_cast<int64_t>(std::max<uint64_t>(made_up_bytes / one, 1));
    datasets = open_made_up(made_up, reads);
  } else {
    for (const ReadOptions& read : reads) datasets.push_back(std::make_unique<Dataset>(options.data, read));
  }
  unchecked_ = std::move(datasets[0]);
  checked_ = std::move(datasets[1]);
  sampler_.emplace(checked_->size(), 1, options.shuffled ? Shuffle::on : Shuffle::off);

  const Shape& image = checked_->image();
  shown_ = options.crop > 0 ? Shape{options.crop, options.crop, image[2]} : image;
  if (checked_->encoding() == Encoding::raw && (shown_[0] > image[0] || shown_[1] > image[1])) {
    fail(ExitCode::usage, "crop ", options.crop, ": the images are ", image.text(), "; give no more than that");
  }
  const auto channels = static_cast<size_t>(image[2]);
  const PixelsSpec spec{.input = shown_,
                        .dtype = checked_->dtype(),
                        .mean = std::vector<float>(channels, 120),
                        .scale = std::vector<float>(channels, 1.0f / 60)};
  const bool raw = checked_->encoding() == Encoding::raw;
  if (raw) pixels_ = make_pixels(*device_, spec, {.batch = 1, .teams = threads_});
  benches_.resize(static_cast<size_t>(threads_));
  for (Bench& bench : benches_) {
    bench.labels.resize(static_cast<size_t>(options.batch));
    if (!raw) continue;
    bench.batch = allocate_pages(static_cast<size_t>(options.batch) * checked_->image_bytes());
    bench.floats = allocate_pages(static_cast<size_t>(lane_images * shown_.count()) * sizeof(float));
    bench.whole.resize(checked_->image_bytes());
    bench.cropped.resize(static_cast<size_t>(shown_.count()) * size_of(checked_->dtype()));
  }
  raw ? add_raw_stages() : add_encoded_stages();
}

void InputStages::add_raw_stages() {
  memory_images_ = std::min<int64_t>(
      checked_->size(), static_cast<int64_t>(std::max<uint64_t>(made_up_bytes / checked_->image_bytes(), 1)));
  memory_ = allocate_pages(static_cast<size_t>(memory_images_) * checked_->image_bytes());
  std::memset(memory_.get(), 1, static_cast<size_t>(memory_images_) * checked_->image_bytes());
  stages_.push_back({{.name = "copy", .about = "memory to memory, no file"},
                     [this](int64_t position, Bench& bench) { copy_batch(position, bench); }});
  stages_.push_back({{.name = "read", .about = "into batches of bytes, unchecked"},
                     [this](int64_t position, Bench& b) { read_batch(*unchecked_, position, b); }});
  stages_.push_back({{.name = "read+check", .about = "each image's CRC32C compared"},
                     [this](int64_t position, Bench& b) { read_batch(*checked_, position, b); }});
  const std::string made = options_.crop > 0 ? "cropped to " + shown_.text() + ", made" : "made";
  stages_.push_back({{.name = "read+check+float", .about = "compared, " + made + " floats with mean and scale"},
                     [this](int64_t position, Bench& bench) { floats_of_batch(position, bench); }});
}

void InputStages::add_encoded_stages() {
  constexpr int64_t kept = 1024;
  std::vector<std::byte> file;
  for (int64_t i = 0; i < std::min(kept, checked_->size()); ++i) {
    checked_->read_encoded(sample_at(i), file);
    encoded_.push_back(file);
  }
  stages_.push_back({{.name = "decode", .about = "files in memory to pixels, nothing else"},
                     [this](int64_t position, Bench& bench) { decode_from_memory(position, bench); }});
  stages_.push_back({{.name = "read", .about = "encoded bytes, unchecked"},
                     [this](int64_t position, Bench& bench) { read_encoded_batch(*unchecked_, position, bench); }});
  stages_.push_back({{.name = "read+check", .about = "each file's CRC32C compared"},
                     [this](int64_t position, Bench& b) { read_encoded_batch(*checked_, position, b); }});
  stages_.push_back({{.name = "read+check+decode", .about = "compared, decoded"},
                     [this](int64_t position, Bench& bench) { decode_batch(position, bench); }});
}

/// Runs of neighbouring samples are read at once, as a pipeline does.
void InputStages::read_batch(const Dataset& dataset, int64_t position, Bench& bench) const {
  int64_t sample = sample_at(position);
  for (int64_t i = 0; i < options_.batch;) {
    int64_t run = 1, following = 0;
    while (i + run < options_.batch && (following = sample_at(position + i + run)) == sample + run) ++run;
    dataset.read(sample, run, bench.batch.get() + static_cast<size_t>(i) * dataset.image_bytes(),
                 bench.labels.data() + i);
    sample = following;
    i += run;
  }
}

void InputStages::read_encoded_batch(const Dataset& dataset, int64_t position, Bench& bench) const {
  for (int64_t i = 0; i < options_.batch; ++i) {
    bench.labels[static_cast<size_t>(i)] = dataset.read_encoded(sample_at(position + i), bench.sample.encoded);
  }
}

void InputStages::decode_batch(int64_t position, Bench& bench) const {
  for (int64_t i = 0; i < options_.batch; ++i) {
    bench.labels[static_cast<size_t>(i)] = checked_->read_sample(sample_at(position + i), bench.sample);
  }
}

void InputStages::decode_from_memory(int64_t position, Bench& bench) const {
  const DecodeOptions options{.channels = checked_->image()[2]};
  for (int64_t i = 0; i < options_.batch; ++i) {
    decode_image(encoded_[static_cast<size_t>(position + i) % encoded_.size()], "memory", options, bench.sample.image);
  }
}

void InputStages::floats_of_batch(int64_t position, Bench& bench) const {
  for (int64_t i = 0; i < options_.batch; ++i) {
    const int64_t sample = sample_at(position + i);
    checked_->read_one(sample, bench.whole.data(), &bench.labels[static_cast<size_t>(i)]);
    to_floats(i % lane_images, sample, bench.whole.data(), bench);
  }
}

/// A corner that differs from sample to sample.
void InputStages::to_floats(int64_t i, int64_t sample, const uint8_t* pixels, Bench& bench) const {
  const Shape& image = checked_->image();
  auto* to = reinterpret_cast<float*>(bench.floats.get()) + i * shown_.count();
  if (shown_ == image) {
    pixels_->forward({}, pixels, to);
    return;
  }
  const int64_t element = static_cast<int64_t>(size_of(checked_->dtype()));
  const int64_t top = sample % (image[0] - shown_[0] + 1), left = sample % (image[1] - shown_[1] + 1);
  const int64_t row_bytes = image[1] * image[2] * element, kept = shown_[1] * shown_[2] * element;
  for (int64_t row = 0; row < shown_[0]; ++row) {
    std::memcpy(bench.cropped.data() + row * kept, pixels + (top + row) * row_bytes + left * image[2] * element,
                static_cast<size_t>(kept));
  }
  pixels_->forward({}, bench.cropped.data(), to);
}

void InputStages::copy_batch(int64_t position, Bench& bench) const {
  const size_t bytes = checked_->image_bytes();
  for (int64_t i = 0; i < options_.batch; ++i) {
    std::memcpy(bench.batch.get() + static_cast<size_t>(i) * bytes,
                memory_.get() + static_cast<size_t>(sample_at(position + i) % memory_images_) * bytes, bytes);
  }
}

/// Images a second of all threads together, for about so long. Throws what a thread threw.
double InputStages::rate(const Stage& stage, double seconds) {
  std::atomic<int64_t> images{0};
  std::mutex mutex;
  std::exception_ptr error;
  const Timer timer;
  const auto work = [&](Bench& bench) {
    try {
      do {
        stage.work(next_.fetch_add(options_.batch), bench);
        images += options_.batch;
      } while (timer.seconds() < seconds);
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < benches_.size(); ++i) others.emplace_back([&, i] { work(benches_[i]); });
  work(benches_[0]);
  for (std::thread& other : others) other.join();
  if (error) std::rethrow_exception(error);
  return static_cast<double>(images) / timer.seconds();
}

InputTiming InputStages::run() {
  for (Stage& stage : stages_) rate(stage, 0);  // a batch each, so that memory is there
  for (int round = 0; round < options_.rounds; ++round) {
    for (Stage& stage : stages_) stage.rates.push_back(rate(stage, options_.seconds / options_.rounds));
  }
  const Dataset& data = *checked_;
  InputTiming timing{.threads = threads_, .images = data.size(), .image = data.image(), .encoding = data.encoding()};
  for (const auto& shard : data.shards()) {
    timing.stored_bytes += shard->image_bytes();
    timing.held = timing.held || shard->held();
  }
  timing.notice = data.notice();
  const double one = static_cast<double>(timing.stored_bytes) / static_cast<double>(timing.images);
  for (Stage& stage : stages_) {
    std::vector<double> shares;
    for (size_t i = 0; i < stage.rates.size(); ++i) shares.push_back(stage.rates[i] / stages_.front().rates[i]);
    stage.timing.images_per_second = median(stage.rates);
    stage.timing.bytes_per_second = stage.timing.images_per_second * one;
    stage.timing.of_limit = median(shares);
    timing.stages.push_back(stage.timing);
  }
  timing.limit = timing.stages.front();
  timing.stages.erase(timing.stages.begin());
  return timing;
}

}  // namespace

InputTiming time_input(const InputTimingOptions& options) {
  return InputStages(options).run();
}

}  // namespace convoy
