// Small text helpers shared by messages and tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

/// The candidate nearest to `word` by edit distance, or "" when none is near enough to be a likely typing error.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

/// 61100840 -> "61,100,840".
std::string with_commas(int64_t value);

/// 1789952 -> "1.7 MiB".
std::string human_bytes(uint64_t bytes);

/// {"a","b"}, ", " -> "a, b".
std::string join(const std::vector<std::string>& words, std::string_view separator);

/// "a, b" -> {"a","b"}; at least one part, spaces around each are left out.
std::vector<std::string> split_commas(std::string_view text);

}  // namespace convoy
