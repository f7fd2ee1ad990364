#include "launchers/run/exchange_summary.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

TEST(ExchangeSummary, IsOneLineOfMeans) {
  ExchangeSummary summary(4);
  EXPECT_EQ(summary.text(), "");
  summary.on_step({.seconds = 0.043, .exchange = 0.003, .exposed = 0.0003, .last_worker = 3, .waited = 0.0012});
  summary.on_step({.seconds = 0.041, .exchange = 0.005, .exposed = 0.0005, .last_worker = 3, .waited = 0.0036});
  summary.on_step({.seconds = 0.042, .exchange = 0.001, .exposed = 0.0004, .last_worker = 0, .waited = 0});
  EXPECT_EQ(
      summary.text(),
      "exchange: 3.0 ms of a 42 ms step, 0.4 ms of the step stuck out behind backward; worker 3 came last in 66.7 "
      "% of the steps, the first worker waited 1.6 ms a step for the last");
}

}  // namespace
}  // namespace convoy
