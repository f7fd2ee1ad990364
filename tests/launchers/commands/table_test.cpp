#include "launchers/commands/table.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"layer"}, {"parameters", Table::Align::right}, {"sees", Table::Align::right}, {"note"}});
  table.row({"conv1", "520", "5x5", ""});
  table.row({"a-long-name", "1,234,567,890", "1x1", "x"});
  EXPECT_EQ(table.text(),
            "layer           parameters  sees  note\n"
            "conv1                  520   5x5\n"
            "a-long-name  1,234,567,890   1x1  x\n");
}

}  // namespace
}  // namespace convoy
