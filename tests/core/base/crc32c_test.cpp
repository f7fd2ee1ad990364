// CRC32C against RFC 3720's vectors, and the two implementations against each other.
#include "core/base/crc32c.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace convoy {
namespace {

TEST(Crc32c, AgreesWithRfc3720) {
  std::vector<uint8_t> bytes(32, 0);
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), 0x8A9136AAu);
  bytes.assign(32, 0xFF);
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), 0x62A8AB43u);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), 0x46DD794Eu);
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c(digits.data(), digits.size()), 0xE3069283u);
}

TEST(Crc32c, OfNothingIsZero) {
  EXPECT_EQ(crc32c(nullptr, 0), 0u);
}

TEST(Crc32c, TablesAgreeWithTheInstructionAtAnyLengthAndAlignment) {
  std::vector<uint8_t> bytes(1000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 131 + (i >> 3));
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t length = 0; length < 70; ++length) {
      EXPECT_EQ(crc32c(bytes.data() + begin, length), detail::crc32c_by_tables(bytes.data() + begin, length));
    }
  }
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), detail::crc32c_by_tables(bytes.data(), bytes.size()));
}

TEST(Crc32c, ContinuesFromAnEarlierCall) {
  const std::string text = "one convoy, many lorries; one convoy, many lorries";
  const uint32_t whole = crc32c(text.data(), text.size());
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(text.data() + cut, text.size() - cut, crc32c(text.data(), cut)), whole);
    const uint32_t begun = detail::crc32c_by_tables(text.data(), cut);
    EXPECT_EQ(detail::crc32c_by_tables(text.data() + cut, text.size() - cut, begun), whole);
  }
}

// Long data are summed in three stretches of 8,192 bytes, then of 256, then what is left.
TEST(Crc32c, AgreesWithTheTablesAtEveryBorderOfItsStretches) {
  std::vector<uint8_t> bytes(2 * 3 * 8192 + 3 * 256 + 40);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i / 7 + i);
  for (const size_t border : {size_t{3 * 256}, size_t{2 * 3 * 256}, size_t{3 * 8192}, size_t{2 * 3 * 8192}}) {
    for (size_t size = border - 9; size <= border + 9; ++size) {
      for (const size_t skipped : {0, 1}) {
        EXPECT_EQ(crc32c(bytes.data() + skipped, size, 77), detail::crc32c_by_tables(bytes.data() + skipped, size, 77));
      }
    }
  }
  EXPECT_EQ(crc32c(bytes.data(), bytes.size()), detail::crc32c_by_tables(bytes.data(), bytes.size()));
}

TEST(Crc32c, SeesEveryFlippedBit) {
  std::vector<uint8_t> bytes(100, 0x5A);
  const uint32_t whole = crc32c(bytes.data(), bytes.size());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_NE(crc32c(bytes.data(), bytes.size()), whole);
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
  }
}

}  // namespace
}  // namespace convoy
