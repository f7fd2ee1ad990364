// The input pipeline: batches in step order at any thread count, errors carried over, no hanging, no allocation.
#include "io/pipeline.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "io/hdf5/hdf5.hpp"
#include "tests/io/io_testing.hpp"

namespace {
std::atomic<int64_t> allocations{0};

void* count_and_allocate(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

// Every allocation of this program is counted, for the promise that a step makes none.
void* operator new(std::size_t bytes) {
  return count_and_allocate(bytes, 16);
}
void* operator new[](std::size_t bytes) {
  return count_and_allocate(bytes, 16);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t samples = 100;
const Shape image = {4, 3, 2};

class PipelineTest : public testing::Test {
 protected:
  void SetUp() override { write_made_up(folder_.path(), {.image = image, .samples = samples, .shards = 3}); }

  /// What the batch of a step must be, worked out one sample at a time.
  static void expect_batch(const Batch& batch, const Sampler& sampler, int64_t position, int64_t share) {
    ASSERT_EQ(batch.position, position);
    ASSERT_EQ(batch.images.shape, image.batched(share));
    ASSERT_EQ(batch.images.dtype, DType::u8);
    ASSERT_EQ(batch.labels.size(), static_cast<size_t>(share));
    for (int64_t i = 0; i < share; ++i) {
      const int64_t sample = sampler.sample(position + i);
      ASSERT_EQ(batch.labels[static_cast<size_t>(i)], made_up_label(sample)) << position + i;
      const auto expected = made_up_image(sample, image);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.u8() + i * image.count())) << position + i;
    }
  }

  TempFolder folder_;
};

TEST_F(PipelineTest, GivesBatchesInStepOrderAtAnyThreadsAndDepth) {
  const Dataset dataset(folder_.path());
  for (const Shuffle shuffle : {Shuffle::on, Shuffle::off}) {
    const Sampler sampler(samples, 7, shuffle);
    for (const int depth : {1, 2, 3, 7}) {
      for (const int threads : {1, 2, 4}) {
        // 24 does not divide 100: batches run across the borders of epochs.
        Pipeline pipeline(dataset, sampler,
                          {.first_step = 3, .last_step = 40, .global_batch = 24, .depth = depth, .threads = threads});
        for (int64_t step = 3; step < 40; ++step) {
          ASSERT_NO_FATAL_FAILURE(expect_batch(pipeline.next(), sampler, step * 24, 24));
        }
        error_of(ExitCode::internal, [&] { pipeline.next(); });
      }
    }
  }
}

TEST_F(PipelineTest, ThreadsShareABatchWithoutChangingIt) {
  // Pictures of 20x21 that are cropped to 16x18: pieces are of one sample or a few, and threads take them as they come.
  const Shape stored = {20, 21, 3}, input = {16, 18, 3};
  const TempFolder folder;
  write_made_up(folder.path(), {.image = stored, .samples = samples, .shards = 2});
  const Dataset dataset(folder.path());
  const PictureSource pictures(dataset, input, {Augmentation("augment", "random-crop 16x18, flip, pca-lighting")}, 7);
  for (const Shuffle shuffle : {Shuffle::on, Shuffle::blocks}) {
    const Sampler sampler(samples, 7, shuffle, {.block = 8, .window = 3});
    std::vector<std::vector<std::byte>> expected;
    for (int64_t step = 0; step < 12; ++step) {
      std::vector<std::byte>& batch = expected.emplace_back(36 * pictures.image_bytes());
      PictureSource::Buffers buffers;
      for (int64_t i = 0; i < 36; ++i) {
        const int64_t position = step * 36 + i;
        pictures.read(sampler.sample(position), position, buffers, batch.data() + i * input.count());
      }
    }
    for (const int workers : {1, 2, 3}) {
      for (int worker = 0; worker < workers; ++worker) {
        for (const int threads : {1, 2, 5}) {
          Pipeline pipeline(pictures, sampler,
                            {.last_step = 12,
                             .global_batch = 36,
                             .worker = worker,
                             .workers = workers,
                             .depth = 2,
                             .threads = threads});
          const int64_t share = 36 / workers;
          for (int64_t step = 0; step < 12; ++step) {
            const Batch& batch = pipeline.next();
            ASSERT_EQ(batch.images.shape, input.batched(share));
            const std::byte* whole = expected[static_cast<size_t>(step)].data() + worker * share * input.count();
            ASSERT_EQ(std::memcmp(batch.images.data, whole, static_cast<size_t>(share * input.count())), 0)
                << step << ", " << workers << " workers, " << threads << " threads";
          }
        }
      }
    }
  }
}

TEST_F(PipelineTest, PicturesOfTheWrongSizeAreNamed) {
  const Dataset dataset(folder_.path());
  const PictureSource pictures(dataset, {5, 5, 2}, {Augmentation("augment", "random-crop 5")}, 7);
  Pipeline pipeline(pictures, Sampler(samples, 7, Shuffle::off), {.last_step = 2, .global_batch = 4, .threads = 2});
  EXPECT_THAT(error_of(ExitCode::data, [&] { pipeline.next(); }),
              AllOf(HasSubstr(folder_ / "part-0.h5: image 0 at byte "), HasSubstr("4x3"), HasSubstr("random-crop 5")));
}

TEST_F(PipelineTest, MemoryForInputIsKept) {
  const Dataset dataset(folder_.path());
  const PictureSource pictures(dataset);
  const uint64_t batch = 16 * (24 + 4);
  EXPECT_EQ(plan_input(pictures, {.share = 16}).depth, 3);
  EXPECT_EQ(plan_input(pictures, {.share = 16}).bytes, 3 * batch);
  EXPECT_EQ(plan_input(pictures, {.share = 16, .worker_threads = 8}).threads, 1);
  EXPECT_EQ(plan_input(pictures, {.share = 16, .threads = 5, .worker_threads = 8}).threads, 5);
  EXPECT_EQ(plan_input(pictures, {.share = 16, .most_bytes = 2 * batch + 1}).depth, 2);
  EXPECT_EQ(plan_input(pictures, {.share = 16, .most_bytes = batch}).depth, 1);
  EXPECT_EQ(plan_input(pictures, {.share = 16, .most_bytes = 1000 * batch}).depth, 64);
  EXPECT_THAT(error_of(ExitCode::usage, [&] { plan_input(pictures, {.share = 16, .most_bytes = batch - 1}); }),
              AllOf(HasSubstr("input-memory"), HasSubstr("smaller batch")));
  const PictureSource resized(dataset, {4, 3, 2}, {Augmentation("augment", "resize 4x3")}, 7);
  EXPECT_EQ(plan_input(resized, {.share = 16, .worker_threads = 8}).threads, 8);
}

TEST_F(PipelineTest, WorkersShareEachBatchEqually) {
  const Dataset dataset(folder_.path());
  const Sampler sampler(samples, 7, Shuffle::on);
  for (int worker = 0; worker < 4; ++worker) {
    Pipeline pipeline(dataset, sampler,
                      {.last_step = 20, .global_batch = 24, .worker = worker, .workers = 4, .threads = 2});
    for (int64_t step = 0; step < 20; ++step) {
      ASSERT_NO_FATAL_FAILURE(expect_batch(pipeline.next(), sampler, step * 24 + worker * 6, 6));
    }
  }
}

TEST_F(PipelineTest, TheBatchStaysUntilTheFollowingCall) {
  const Dataset dataset(folder_.path());
  const Sampler sampler(samples, 7, Shuffle::on);
  Pipeline pipeline(dataset, sampler, {.last_step = 200, .global_batch = 16, .depth = 2, .threads = 2});
  for (int64_t step = 0; step < 200; ++step) {
    const Batch& batch = pipeline.next();
    for (int i = 0; i < 50; ++i) std::this_thread::yield();  // time for a filler that writes where it must not
    ASSERT_NO_FATAL_FAILURE(expect_batch(batch, sampler, step * 16, 16));
  }
}

TEST_F(PipelineTest, BuffersStartOnPages) {
  const Dataset dataset(folder_.path());
  Pipeline pipeline(dataset, Sampler(samples, 7, Shuffle::on), {.last_step = 5, .global_batch = 3});
  for (int step = 0; step < 5; ++step) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pipeline.next().images.data) % 4096, 0u);
  }
}

TEST_F(PipelineTest, RefusesBatchesThatWorkersCannotShare) {
  const Dataset dataset(folder_.path());
  const Sampler sampler(samples, 7, Shuffle::on);
  EXPECT_THAT(error_of(ExitCode::usage, [&] { Pipeline(dataset, sampler, {.global_batch = 10, .workers = 4}); }),
              AllOf(HasSubstr("10 samples"), HasSubstr("4 workers")));
  EXPECT_THAT(error_of(ExitCode::usage, [&] { Pipeline(dataset, sampler, {.global_batch = 2, .workers = 4}); }),
              HasSubstr("2 samples"));
  error_of(ExitCode::internal, [&] { Pipeline(dataset, sampler, {.worker = 1, .workers = 1}); });
  error_of(ExitCode::internal, [&] { Pipeline(dataset, sampler, {.depth = 0}); });
  error_of(ExitCode::internal, [&] { Pipeline(dataset, sampler, {.threads = 0}); });
}

TEST_F(PipelineTest, AnErrorComesWithItsStep) {
  uint64_t offset = 0;
  {
    const hdf5::Session session;
    offset = hdf5::describe(hdf5::open_file(folder_ / "part-0.h5"), "images").data.offset;
  }
  flip_byte(folder_ / "part-0.h5", offset + 13 * 24);  // sample 13
  const Dataset dataset(folder_.path());
  const Sampler sampler(samples, 7, Shuffle::off);
  for (const int threads : {1, 3}) {
    Pipeline pipeline(dataset, sampler, {.last_step = 50, .global_batch = 5, .depth = 4, .threads = threads});
    for (int64_t step = 0; step < 2; ++step) {
      ASSERT_NO_FATAL_FAILURE(expect_batch(pipeline.next(), sampler, step * 5, 5));
    }
    for (int again = 0; again < 3; ++again) {
      EXPECT_THAT(error_of(ExitCode::data, [&] { pipeline.next(); }),
                  AllOf(HasSubstr(folder_ / "part-0.h5"), HasSubstr("image 13 ")));
    }
  }
}

TEST_F(PipelineTest, EndsAtAnyMoment) {
  const Dataset dataset(folder_.path());
  const Sampler sampler(samples, 7, Shuffle::on);
  for (int64_t last : {0, 1, 1000000}) {
    for (int64_t taken = 0; taken <= std::min<int64_t>(last, 5); ++taken) {
      for (const int threads : {1, 4}) {
        Pipeline pipeline(dataset, sampler, {.last_step = last, .global_batch = 8, .threads = threads});
        for (int64_t step = 0; step < taken; ++step) pipeline.next();
      }
    }
  }
}

TEST_F(PipelineTest, AStepAllocatesNothing) {
  const Dataset dataset(folder_.path());
  const Sampler sampler(samples, 7, Shuffle::on);
  const PictureSource augmented(dataset, {3, 3, 2}, {Augmentation("augment", "random-crop 3, flip, brightness 0.4")},
                                7);
  for (const PictureSource& pictures : {PictureSource(dataset), augmented}) {
    // A thread's first picture of its own takes buffers, and with two threads one may come late to it.
    const int threads = pictures.as_stored() ? 2 : 1;
    Pipeline pipeline(pictures, sampler, {.last_step = 10000, .global_batch = 16, .threads = threads});
    for (int step = 0; step < 50; ++step) pipeline.next();  // threads may still be starting before the first batches
    const int64_t before = allocations;
    for (int step = 50; step < 500; ++step) pipeline.next();
    EXPECT_EQ(allocations - before, 0);
  }
}

}  // namespace
}  // namespace convoy
