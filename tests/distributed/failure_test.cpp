#include "distributed/failure.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "core/base/error.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class FailureFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "convoy-failure-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  nlohmann::json read(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name);
    return nlohmann::json::parse(in);
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  std::string folder_;
};

// A cut link: each side misses the other, and whichever ends first has written first.
TEST_F(FailureFile, RankZeroRefutesThatItIsLost) {
  const Failure of_others{.rank = 0, .host = "node0", .cause = "silent for 4 s", .reported_by = 2, .silent = true};
  const Failure of_rank_0{.rank = 2, .host = "node1", .cause = "silent for 3 s", .reported_by = 0, .silent = true};
  ASSERT_TRUE(write_failure(folder_, of_others));
  EXPECT_TRUE(write_failure(folder_, of_rank_0));
  EXPECT_EQ(read("failure.json")["rank"], 2);
  // Once only, and nobody else's word counts more than the first.
  EXPECT_FALSE(write_failure(folder_, of_others));
  EXPECT_FALSE(write_failure(folder_, of_rank_0));
  EXPECT_EQ(read("failure.json")["rank"], 2);
  EXPECT_EQ(files(), 1u);
}

TEST_F(FailureFile, NothingElseTakesTheFirstReportsPlace) {
  ASSERT_TRUE(write_failure(folder_, {.rank = 0, .cause = "silent for 4 s", .reported_by = 2, .silent = true}));
  // A rank 0 that was stopped and woken finds the others' connections closed: they are not the ones who failed.
  EXPECT_FALSE(write_failure(folder_, {.rank = 2, .cause = "its connection closed", .reported_by = 0}));
  EXPECT_FALSE(write_failure(folder_, {.rank = 2, .cause = "silent for 4 s", .reported_by = 1, .silent = true}));
  EXPECT_EQ(read("failure.json")["rank"], 0);
}

TEST_F(FailureFile, HoldsWhatIsKnown) {
  const Failure failure{.rank = 3,
                        .host = "node7",
                        .step = 1234,
                        .phase = "backward",
                        .bucket = 5,
                        .cause = "a \"quoted\" cause\nof two lines and a stray byte \xff",
                        .exit_code = 6,
                        .reported_by = 1};
  ASSERT_TRUE(write_failure(folder_, failure));
  const auto json = read("failure.json");
  EXPECT_EQ(json.size(), 9u);
  EXPECT_EQ(json["rank"], 3);
  EXPECT_EQ(json["host"], "node7");
  EXPECT_EQ(json["step"], 1234);
  EXPECT_EQ(json["phase"], "backward");
  EXPECT_EQ(json["bucket"], 5);
  EXPECT_EQ(json["cause"], "a \"quoted\" cause\nof two lines and a stray byte \xef\xbf\xbd");
  EXPECT_EQ(json["exit_code"], 6);
  EXPECT_EQ(json["reported_by"], 1);
  std::tm time{};
  const std::string written = json["time"];
  const char* rest = strptime(written.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  ASSERT_NE(rest, nullptr);
  EXPECT_STREQ(rest, "");
  EXPECT_NEAR(static_cast<double>(timegm(&time)), static_cast<double>(std::time(nullptr)), 60);
}

TEST_F(FailureFile, OneOfManyWritersWins) {
  std::atomic<int> winner{-1}, winners{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&, i] {
      if (!write_failure(folder_, {.rank = i, .reported_by = i})) return;
      winner = i;
      ++winners;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(read("failure.json")["rank"], winner.load());
  EXPECT_EQ(files(), 1u);
}

TEST_F(FailureFile, StandsInNobodysWayWhereItCannotBeWritten) {
  EXPECT_FALSE(write_failure(folder_ + "/absent", {}));
  EXPECT_FALSE(write_failure("/proc/self", {}));
}

TEST_F(FailureFile, IsMovedAwayAtTheStart) {
  EXPECT_NO_THROW(clear_failure(folder_));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_TRUE(write_failure(folder_, {.rank = attempt}));
    clear_failure(folder_);
    EXPECT_FALSE(fs::exists(folder_ + "/failure.json"));
  }
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(read(concat("failure-", attempt, ".json"))["rank"], attempt);
  }
}

TEST_F(FailureFile, IsNeverMovedOverAnother) {
  ASSERT_TRUE(write_failure(folder_, {}));
  fs::create_directory(folder_ + "/failure-1.json");
  clear_failure(folder_);
  EXPECT_TRUE(fs::is_directory(folder_ + "/failure-1.json"));
  EXPECT_TRUE(fs::is_regular_file(folder_ + "/failure-2.json"));
}

}  // namespace
}  // namespace convoy
