// Checkpoints: what was saved comes back, and damage anywhere is seen before anything is believed.
#include "io/checkpoint.hpp"

#include <sys/wait.h>

#include <cstring>
#include <new>

#include "core/memory/segment_table.hpp"
#include "io/atomic_file.hpp"
#include "io/hdf5/hdf5.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A small model with its storage.
struct Model {
  explicit Model(int slots, Shape fc_shape = {10, 12}) {
    for (const auto& [name, shape] : {std::pair<const char*, Shape>{"fc1/bias", {10}},
                                      {"fc1/weight", fc_shape},
                                      {"conv1/bias", {20}},
                                      {"conv1/weight", {20, 5, 5, 1}}}) {
      table.add({.name = name, .shape = shape});
    }
    storage.reset(
        static_cast<std::byte*>(::operator new[](ParameterArena::bytes(table, slots), std::align_val_t{256})));
    std::memset(storage.get(), 0, ParameterArena::bytes(table, slots));
    arena =
        std::make_unique<ParameterArena>(table, slots, std::span(storage.get(), ParameterArena::bytes(table, slots)));
  }

  /// Gives every element of weights and slots a value of its own.
  void number() const {
    float next = 0.5f;
    for (int buffer = -1; buffer < arena->slots(); ++buffer) {
      for (const Segment& segment : table.segments()) {
        for (float& value : elements(buffer, segment)) value = next++;
      }
    }
  }
  /// Of the weights (-1) or of a slot.
  std::span<float> elements(int buffer, const Segment& segment) const {
    return (buffer < 0 ? arena->weights() : arena->slot(buffer)).subspan(segment.offset, segment.count);
  }
  std::vector<float> contents(int buffer) const {
    const std::span<float> all = buffer < 0 ? arena->weights() : arena->slot(buffer);
    return {all.begin(), all.end()};
  }

  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{256}); }
  };
  SegmentTable table;
  std::unique_ptr<std::byte[], Free> storage;
  std::unique_ptr<ParameterArena> arena;
};

const std::vector<std::string> slots = {"momentum", "variance"};

class Checkpoint : public testing::Test {
 protected:
  std::string save(int64_t step) {
    CheckpointState state{.step = step, .samples = step * 64, .seed = 0xFFFFFFFFFFFFFFFE};
    state.network = "input 28x28x1\nfc K=10\n";
    state.recipe = std::string(100000, 'r');
    state.notes = {{"isa", "avx512"}, {"mean", ""}, {"name", "Straße"}};
    saved_.number();
    return write_checkpoint(run_, *saved_.arena, slots, state);
  }

  std::string error_reading(const std::string& path, const Model& model, const std::vector<std::string>& names) {
    return error_of(ExitCode::data, [&] { read_checkpoint_parameters(path, *model.arena, names); });
  }

  TempFolder folder_;
  const std::string run_ = folder_ / "run";
  const Model saved_{2};
};

TEST_F(Checkpoint, ComesBackAsSaved) {
  const std::string path = save(400);
  EXPECT_EQ(path, run_ + "/checkpoints/step-00000400.h5");
  EXPECT_THAT(names_in(run_ + "/checkpoints"), ElementsAre("step-00000400.h5"));

  const CheckpointState state = read_checkpoint_state(path);
  EXPECT_EQ(state.step, 400);
  EXPECT_EQ(state.samples, 25600);
  EXPECT_EQ(state.seed, 0xFFFFFFFFFFFFFFFE);
  EXPECT_EQ(state.network, "input 28x28x1\nfc K=10\n");
  EXPECT_EQ(state.recipe, std::string(100000, 'r'));
  EXPECT_THAT(state.notes, ElementsAre(std::pair("isa", "avx512"), std::pair("mean", ""), std::pair("name", "Straße")));

  const Model model(2);
  read_checkpoint_parameters(path, *model.arena, slots);
  for (const int buffer : {-1, 0, 1}) EXPECT_EQ(model.contents(buffer), saved_.contents(buffer));
}

TEST_F(Checkpoint, BitsOfAnyFloatSurvive) {
  const std::vector<uint32_t> bits = {0x00000001, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC12345, 0x3F800001};
  std::memcpy(saved_.arena->weights().data(), bits.data(), bits.size() * 4);
  const std::string path = write_checkpoint(run_, *saved_.arena, slots, {});
  const Model model(2);
  read_checkpoint_parameters(path, *model.arena, slots);
  EXPECT_EQ(std::memcmp(model.arena->weights().data(), bits.data(), bits.size() * 4), 0);
}

TEST_F(Checkpoint, HoldsDatasetsByNameAndShape) {
  const hdf5::File file = [&] {
    const std::string path = save(1);
    const hdf5::Session session;
    return hdf5::open_file(path);
  }();
  const hdf5::Session session;
  EXPECT_THAT(hdf5::datasets_under(file, "params"),
              ElementsAre("conv1/bias", "conv1/weight", "fc1/bias", "fc1/weight"));
  EXPECT_THAT(hdf5::members(file, "optimizer"), ElementsAre("momentum", "variance"));
  EXPECT_THAT(hdf5::describe(file, "params/conv1/weight").dims, ElementsAre(20, 5, 5, 1));
  EXPECT_THAT(hdf5::describe(file, "optimizer/variance/fc1/weight").dims, ElementsAre(10, 12));
}

TEST_F(Checkpoint, IsReadWithoutOptimizerStateForEvaluation) {
  const std::string path = save(1);
  const Model model(0);
  read_checkpoint_parameters(path, *model.arena, {});
  EXPECT_EQ(model.contents(-1), saved_.contents(-1));
}

TEST_F(Checkpoint, TheSameStateGivesTheSameBytes) {
  const std::string first = bytes_of_file(save(7));
  await_next_second();  // HDF5 would note the time
  EXPECT_EQ(bytes_of_file(save(7)), first);
}

TEST_F(Checkpoint, AnyFlippedByteIsSeen) {
  const std::string path = save(3);
  const size_t size = std::filesystem::file_size(path);
  const Model model(2);
  // All of the user block, then every 397th byte: a few hundred in all parts of the file.
  for (size_t at = 0; at < size; at += at < 600 ? 1 : 397) {
    flip_byte(path, at);
    EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_state(path); }), HasSubstr(path)) << at;
    flip_byte(path, at);
  }
  flip_byte(path, size - 1);
  EXPECT_THAT(error_reading(path, model, slots), AllOf(HasSubstr(path), HasSubstr("damaged")));
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_initial_weights(path, *model.arena); }), HasSubstr("damaged"));
  EXPECT_THAT(model.contents(-1), testing::Each(0));
}

TEST_F(Checkpoint, CutShortOrGrown) {
  const std::string path = save(3);
  const std::string whole = bytes_of_file(path);
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{512}, size_t{300}, size_t{60}}) {
    write_bytes(path, whole.substr(0, size));
    EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_state(path); }),
                AllOf(HasSubstr(path), HasSubstr("cut short"),
                      HasSubstr(std::to_string(size) + " bytes of " + std::to_string(whole.size()))));
  }
  write_bytes(path, whole + "x");
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_state(path); }), HasSubstr("instead of"));
  for (const std::string& content : {std::string(), std::string("convoy"), std::string(2000, 'x')}) {
    write_bytes(path, content);
    EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_state(path); }), HasSubstr("no checkpoint"));
  }
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_state(folder_ / "nowhere.h5"); }),
              AllOf(HasSubstr(folder_ / "nowhere.h5"), HasSubstr("No such file")));
}

TEST_F(Checkpoint, OfAnotherVersionIsNotCalledDamaged) {
  const std::string path = save(3);
  std::string bytes = bytes_of_file(path);
  bytes.replace(0, 20, "convoy checkpoint 2\n");
  write_bytes(path, bytes);
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_state(path); }), HasSubstr("another version than 1"));
}

TEST_F(Checkpoint, OfAnotherNetworkIsRefused) {
  const std::string path = save(3);
  EXPECT_THAT(error_reading(path, Model(2, {10, 13}), slots),
              AllOf(HasSubstr(path), HasSubstr("params/fc1/weight"), HasSubstr("10x12 in the file"),
                    HasSubstr("10x13 in this network")));
  EXPECT_THAT(error_reading(path, Model(2, {120}), slots), AllOf(HasSubstr("10x12"), HasSubstr("120")));
  Model larger(2);
  larger.table.add({.name = "fc2/weight", .shape = {2, 10}});
  const Model enlarged = [&] {
    Model model(2);
    model.table.add({.name = "fc2/weight", .shape = {2, 10}});
    return model;
  }();
  EXPECT_THAT(error_reading(path, enlarged, slots),
              AllOf(HasSubstr(path), HasSubstr("params/fc2/weight"), HasSubstr("2x10"), HasSubstr("not in the file")));
}

TEST_F(Checkpoint, OfALargerNetworkIsRefused) {
  const std::string path = save(3);
  SegmentTable table;
  table.add({.name = "fc1/bias", .shape = {10}});
  alignas(256) std::array<std::byte, 4096> storage{};
  const ParameterArena arena(table, 0, std::span(storage).first(ParameterArena::bytes(table, 0)));
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_checkpoint_parameters(path, arena, {}); }),
              AllOf(HasSubstr(path), HasSubstr("params/conv1/bias"), HasSubstr("not in this network")));
}

TEST_F(Checkpoint, OfAnotherOptimizerIsRefused) {
  const std::string path = save(3);
  EXPECT_THAT(error_reading(path, Model(1), {"momentum"}),
              AllOf(HasSubstr(path), HasSubstr("momentum, variance, where momentum was expected")));
  const std::string plain = write_checkpoint(folder_ / "plain", *Model(0).arena, {}, {.step = 1});
  EXPECT_THAT(error_reading(plain, saved_, slots), HasSubstr("none, where momentum, variance"));
}

TEST_F(Checkpoint, NumberOfSlotNamesMustFit) {
  EXPECT_THAT(error_of(ExitCode::internal, [&] { write_checkpoint(run_, *saved_.arena, {"momentum"}, {}); }),
              HasSubstr("1 names for 2"));
}

TEST_F(Checkpoint, AreListedNewestFirst) {
  EXPECT_THAT(list_checkpoints(run_), IsEmpty());
  for (const int64_t step : {9, 20, 100000000}) save(step);
  const std::string begin = run_ + "/checkpoints/";
  for (const char* name : {".step-00000030.h5.tmp-1", "step-30.h5", "step-0000003x.h5", "step-00000030.h5.abandoned"}) {
    write_bytes(begin + name, "x");
  }
  EXPECT_THAT(list_checkpoints(run_),
              ElementsAre(begin + "step-100000000.h5", begin + "step-00000020.h5", begin + "step-00000009.h5"));
}

TEST_F(Checkpoint, TheNewestWholeOneIsFound) {
  std::vector<std::string> notices;
  EXPECT_EQ(newest_whole_checkpoint(run_, notices), "");
  const std::string first = save(10), second = save(20), third = save(30);
  EXPECT_EQ(newest_whole_checkpoint(run_, notices), third);
  EXPECT_THAT(notices, IsEmpty());
  flip_byte(third, 5000);
  std::filesystem::resize_file(second, 1000);
  EXPECT_EQ(newest_whole_checkpoint(run_, notices), first);
  EXPECT_THAT(notices, ElementsAre(AllOf(HasSubstr(third), HasSubstr("damaged")),
                                   AllOf(HasSubstr(second), HasSubstr("cut short"))));
  flip_byte(first, 0);
  EXPECT_EQ(newest_whole_checkpoint(run_, notices), "");
}

TEST_F(Checkpoint, AResumedRunSetsLaterOnesAside) {
  const std::string later = save(40);
  flip_byte(later, 5000);
  save(10);
  const std::string resumed = save(20);
  prune_checkpoints(run_, 1);
  std::vector<std::string> notices;
  EXPECT_EQ(newest_whole_checkpoint(run_, notices), resumed);
  EXPECT_THAT(names_in(run_ + "/checkpoints"), ElementsAre("step-00000020.h5", "step-00000040.h5.abandoned"));
}

TEST_F(Checkpoint, ArePruned) {
  for (const int64_t step : {10, 20, 30}) save(step);
  prune_checkpoints(run_, 0);
  prune_checkpoints(run_, 3);
  EXPECT_EQ(list_checkpoints(run_).size(), 3u);
  prune_checkpoints(run_, 2);
  EXPECT_THAT(names_in(run_ + "/checkpoints"), ElementsAre("step-00000020.h5", "step-00000030.h5"));
  prune_checkpoints(folder_ / "nowhere", 2);
}

TEST_F(Checkpoint, OnAFullDiskKeepsTheEarlierOnes) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  const Model model(2, {10, 300});  // 45 KB a checkpoint: the disk holds one
  const std::string first = write_checkpoint(disk.path(), *model.arena, slots, {.step = 1});
  EXPECT_THAT(error_of(ExitCode::storage, [&] { write_checkpoint(disk.path(), *model.arena, slots, {.step = 2}); }),
              AllOf(HasSubstr(disk.path() + "/checkpoints/step-00000002.h5"), HasSubstr("No space left on device")));
  EXPECT_EQ(read_checkpoint_state(first).step, 1);
  EXPECT_THAT(names_in(disk.path() + "/checkpoints"), ElementsAre("step-00000001.h5"));
}

TEST_F(Checkpoint, UnderAFileOrReadOnly) {
  write_bytes(run_, "mine");
  EXPECT_THAT(error_of(ExitCode::storage, [&] { save(1); }), HasSubstr(run_));
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  disk.make_read_only();
  EXPECT_THAT(error_of(ExitCode::storage, [&] { write_checkpoint(disk.path(), *saved_.arena, slots, {}); }),
              AllOf(HasSubstr(disk.path()), HasSubstr("Read-only file system")));
}

TEST_F(Checkpoint, WhatAKilledRunLeftHalfWrittenIsRemoved) {
  save(10);
  write_bytes(run_ + "/checkpoints/.step-00000020.h5.tmp-1", "half");
  save(20);
  EXPECT_THAT(names_in(run_ + "/checkpoints"), ElementsAre("step-00000010.h5", "step-00000020.h5"));
}

}  // namespace
}  // namespace convoy
