// Values as people write them. Nothing is guessed: the whole text must be the value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

/// "12", "-3".
std::optional<int64_t> parse_integer(std::string_view text);
/// "0.5", "1e-3"; finite only.
std::optional<double> parse_number(std::string_view text);
/// A number, or a fraction of two: "1/255".
std::optional<double> parse_fraction(std::string_view text);
/// Numbers or fractions between commas.
std::optional<std::vector<double>> parse_fractions(std::string_view text);

/// The shortest text that reads back as the same number.
std::string number_text(double value);
std::string number_text(float value);

}  // namespace convoy
