// Running averages in checkpoints, and an optimizer with two slots that goes on from one.
#include <cstring>
#include <random>

#include "core/optim/optimizer.hpp"
#include "io/checkpoint.hpp"
#include "io/hdf5/hdf5.hpp"
#include "tests/core/optim/optim_testing.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

SegmentTable normalised_network() {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {10, 37}});
  table.add({.name = "bn1/scale", .shape = {37}, .decay_multiplier = 0});
  table.add({.name = "bn1/mean", .shape = {37}, .average_rate = 0.1f});
  table.add({.name = "bn1/variance", .shape = {37}, .average_rate = 0.1f});
  table.add({.name = "conv1/weight", .shape = {37, 3, 3, 1}});
  return table;
}

SegmentTable plain_network() {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {10, 37}});
  table.add({.name = "bn1/scale", .shape = {37}, .decay_multiplier = 0});
  table.add({.name = "conv1/weight", .shape = {37, 3, 3, 1}});
  return table;
}

void step_down(const TestArena& test, const Optimizer& optimizer, int64_t step) {
  std::mt19937 random(static_cast<uint32_t>(step));
  std::normal_distribution<float> normal;
  for (size_t s = 0; s < test.table.segments().size(); ++s) {
    for (float& g : test.gradients(s)) g = normal(random);
  }
  take_step(test, optimizer, 0.01f, step);
}

bool same(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class CheckpointBuffers : public testing::Test {
 protected:
  std::string save(const TestArena& test, int64_t step) const {
    return write_checkpoint(folder_.path(), test.arena, adam_->slots(), {.step = step});
  }
  std::string error_reading(const std::string& path, SegmentTable table) const {
    const TestArena test(std::move(table), *adam_);
    return error_of(ExitCode::data, [&] { read_checkpoint_parameters(path, test.arena, adam_->slots()); });
  }

  TempFolder folder_;
  const std::unique_ptr<Optimizer> adam_ = make_optimizer({.name = "adam", .clip_norm = 1, .weight_decay = 0.1f});
};

TEST_F(CheckpointBuffers, ARunGoesOnAsIfNothingHadHappened) {
  const TestArena through(normalised_network(), *adam_), before(normalised_network(), *adam_),
      after(normalised_network(), *adam_);
  for (int64_t step = 0; step < 6; ++step) step_down(through, *adam_, step);
  for (int64_t step = 0; step < 3; ++step) step_down(before, *adam_, step);
  read_checkpoint_parameters(save(before, 3), after.arena, adam_->slots());
  EXPECT_TRUE(same(after.arena.weights(), before.arena.weights()));
  for (int64_t step = 3; step < 6; ++step) step_down(after, *adam_, step);
  EXPECT_TRUE(same(after.arena.weights(), through.arena.weights()));
  EXPECT_TRUE(same(after.arena.slot(0), through.arena.slot(0)));
  EXPECT_TRUE(same(after.arena.slot(1), through.arena.slot(1)));
}

TEST_F(CheckpointBuffers, AreAGroupOfTheirOwnWithoutOptimizerState) {
  const TestArena test(normalised_network(), *adam_);
  const std::string path = save(test, 1);
  const hdf5::Session session;
  const hdf5::File file = hdf5::open_file(path);
  EXPECT_THAT(hdf5::datasets_under(file, "params"), ElementsAre("bn1/scale", "conv1/weight", "fc1/weight"));
  EXPECT_THAT(hdf5::datasets_under(file, "buffers"), ElementsAre("bn1/mean", "bn1/variance"));
  for (const std::string& slot : adam_->slots()) {
    EXPECT_THAT(hdf5::datasets_under(file, "optimizer/" + slot),
                ElementsAre("bn1/scale", "conv1/weight", "fc1/weight"));
  }
}

TEST_F(CheckpointBuffers, OfANetworkWithoutAnyAreNotThere) {
  const TestArena test(plain_network(), *adam_);
  const std::string path = save(test, 1);
  const hdf5::Session session;
  EXPECT_FALSE(hdf5::exists(hdf5::open_file(path), "buffers"));
}

TEST_F(CheckpointBuffers, MustBeThoseOfTheNetwork) {
  const std::string path = save(TestArena(normalised_network(), *adam_), 1);
  EXPECT_THAT(error_reading(path, plain_network()),
              AllOf(HasSubstr(path), HasSubstr("buffers/bn1/mean"), HasSubstr("not in this network")));
  const std::string plain = save(TestArena(plain_network(), *adam_), 2);
  EXPECT_THAT(error_reading(plain, normalised_network()),
              AllOf(HasSubstr(plain), HasSubstr("buffers/bn1/mean of shape 37"), HasSubstr("not in the file")));
}

TEST_F(CheckpointBuffers, MayBeMissingFromInitialWeights) {
  const TestArena saved(plain_network(), *adam_), started(normalised_network(), *adam_);
  std::ranges::fill(saved.weights(0), 2.0f);
  std::ranges::fill(started.weights(3), 1.0f);  // variances start at 1
  const std::string plain = save(saved, 1);
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_initial_weights(plain, started.arena, Buffers::required); }),
              HasSubstr("buffers/"));
  read_initial_weights(plain, started.arena);
  EXPECT_EQ(started.weights(0)[5], 2);
  EXPECT_EQ(started.weights(3)[5], 1);
}

TEST_F(CheckpointBuffers, AreReadAsInitialWeightsWhereTheyAre) {
  const TestArena saved(normalised_network(), *adam_), started(normalised_network(), *adam_),
      plain(plain_network(), *adam_);
  std::ranges::fill(saved.weights(3), 3.0f);
  const std::string path = save(saved, 1);
  read_initial_weights(path, started.arena);
  EXPECT_EQ(started.weights(3)[36], 3);
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_initial_weights(path, plain.arena); }),
              AllOf(HasSubstr("buffers/bn1/mean"), HasSubstr("not in this network")));
}

}  // namespace
}  // namespace convoy
