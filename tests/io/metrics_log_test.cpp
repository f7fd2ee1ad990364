// metrics.jsonl: whole rows of full precision, cut where a resumed run goes on.
#include "io/metrics_log.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<nlohmann::ordered_json> rows_of(const std::string& path) {
  std::vector<nlohmann::ordered_json> rows;
  std::istringstream lines(bytes_of_file(path));
  for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::ordered_json::parse(line));
  return rows;
}

std::vector<int64_t> steps_of(const std::string& path) {
  std::vector<int64_t> steps;
  for (const auto& row : rows_of(path)) steps.push_back(row["step"]);
  return steps;
}

StepReport report_of(int64_t step, double loss = 0.1) {
  return {.step = step,
          .samples = step * 64,
          .epoch = static_cast<double>(step) / 3,
          .loss = loss,
          .accuracy = 0.5,
          .learning_rate = 0.01,
          .seconds = 7,
          .input = 1,
          .forward = 2,
          .backward = 3,
          .exchange = 4,
          .update = 5,
          .exposed = 6,
          .refresh = 0.5,
          .last_worker = 8,
          .waited = 9};
}

TEST(MetricsLog, WritesRowsInOrderAtFullPrecision) {
  const TempFolder folder;
  MetricsLog log(folder.path(), 0);
  const double loss = 2.0 / 3 + 1e-16;  // needs 16 digits
  log.step(report_of(1, loss), 1234.5);
  log.evaluation(1, {.samples = 100, .loss = 1.0 / 3, .top1 = 0.91, .top5 = 1});
  // Read while the log is open: every row is in the file at once.
  const auto rows = rows_of(folder / "metrics.jsonl");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(
      rows[0].dump(),
      R"({"kind":"step","step":1,"samples":64,"epoch":0.3333333333333333,"loss":0.6666666666666667,"accuracy":0.5,)"
      R"("learning_rate":0.01,"images_per_second":1234.5,"input":1.0,"forward":2.0,"backward":3.0,"exchange":4.0,)"
      R"("update":5.0,"exposed":6.0,"refresh":0.5,"last_worker":8,"waited":9.0})");
  EXPECT_EQ(rows[0]["loss"].get<double>(), loss);
  EXPECT_EQ(rows[1].dump(),
            R"({"kind":"eval","step":1,"samples":100,"loss":0.3333333333333333,"top1":0.91,"top5":1.0})");
}

TEST(MetricsLog, WritesLossesThatAreNotFiniteAsNull) {
  const TempFolder folder;
  MetricsLog log(folder.path(), 0);
  log.step(report_of(1, std::numeric_limits<double>::quiet_NaN()), 1);
  log.step(report_of(2, std::numeric_limits<double>::infinity()), 1);
  const auto rows = rows_of(folder / "metrics.jsonl");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0]["loss"].is_null());
  EXPECT_TRUE(rows[1]["loss"].is_null());
}

TEST(MetricsLog, ANewRunStartsAnEmptyFile) {
  const TempFolder folder;
  { MetricsLog(folder.path(), 0).step(report_of(1), 1); }
  MetricsLog log(folder.path(), 0);
  EXPECT_EQ(bytes_of_file(folder / "metrics.jsonl"), "");
}

TEST(MetricsLog, ResumeCutsLaterRowsAndATornLine) {
  const TempFolder folder;
  {
    MetricsLog log(folder.path(), 0);
    for (int64_t step : {10, 20, 30}) {
      log.step(report_of(step), 1);
      log.evaluation(step, {});
    }
  }
  const std::string whole = bytes_of_file(folder / "metrics.jsonl");
  write_bytes(folder / "metrics.jsonl", whole + R"({"kind":"step","step":20,"sam)");
  {
    MetricsLog log(folder.path(), 20);
    EXPECT_THAT(steps_of(folder / "metrics.jsonl"), ElementsAre(10, 10, 20, 20));
    log.step(report_of(25), 1);
  }
  EXPECT_THAT(steps_of(folder / "metrics.jsonl"), ElementsAre(10, 10, 20, 20, 25));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("metrics.jsonl"));
}

TEST(MetricsLog, ResumeWithNothingToCutLeavesTheFile) {
  const TempFolder folder;
  { MetricsLog(folder.path(), 0).step(report_of(10), 1); }
  std::filesystem::create_hard_link(folder / "metrics.jsonl", folder / "link");
  MetricsLog log(folder.path(), 10);
  EXPECT_TRUE(std::filesystem::equivalent(folder / "metrics.jsonl", folder / "link"));
  EXPECT_THAT(steps_of(folder / "metrics.jsonl"), ElementsAre(10));
}

TEST(MetricsLog, ResumeWithoutAFileMakesOne) {
  const TempFolder folder;
  MetricsLog log(folder.path(), 10);
  log.step(report_of(11), 1);
  EXPECT_THAT(steps_of(folder / "metrics.jsonl"), ElementsAre(11));
}

TEST(MetricsLog, DropsLinesThatAreNoRows) {
  const TempFolder folder;
  write_bytes(folder / "metrics.jsonl", "{\"step\":1}\nrubbish\n[1]\n{\"step\":\"2\"}\n{}\n\n{\"step\":2}\n");
  MetricsLog log(folder.path(), 5);
  EXPECT_THAT(steps_of(folder / "metrics.jsonl"), ElementsAre(1, 2));
}

TEST(MetricsLog, OnADiskThatFillsUpKeepsWholeRows) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  MetricsLog log(disk.path(), 0);
  log.step(report_of(1), 1);
  disk.fill();
  const std::string message = error_of(ExitCode::storage, [&] {
    for (int64_t step = 2; step < 100; ++step) log.step(report_of(step), 1);
  });
  EXPECT_THAT(message, AllOf(HasSubstr(disk.path() + "/metrics.jsonl"), HasSubstr("No space left on device")));
  const std::string content = bytes_of_file(disk.path() + "/metrics.jsonl");
  EXPECT_EQ(content.back(), '\n');
  EXPECT_GT(rows_of(disk.path() + "/metrics.jsonl").size(), 1u);
}

TEST(MetricsLog, BeyondTheFileSizeLimitIsAnErrorAndNotASignal) {
  const TempFolder folder;
  MetricsLog log(folder.path(), 0);
  log.step(report_of(1), 1);
  std::string message;
  {
    const FileSizeLimit limit(400);
    message = error_of(ExitCode::storage, [&] { log.step(report_of(2), 1); });
  }
  EXPECT_THAT(message, AllOf(HasSubstr(folder / "metrics.jsonl"), HasSubstr("ulimit -f")));
  EXPECT_THAT(steps_of(folder / "metrics.jsonl"), ElementsAre(1));
}

TEST(MetricsLog, InAFolderThatIsNotThere) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ExitCode::storage, [&] { MetricsLog(folder / "no", 0); }),
              HasSubstr(folder / "no/metrics.jsonl"));
}

}  // namespace
}  // namespace convoy
