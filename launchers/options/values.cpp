// Values as people write them.
#include "launchers/options/values.hpp"

#include <charconv>
#include <cmath>

#include "core/base/text.hpp"

namespace convoy {
namespace {

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename Number>
std::string shortest(Number value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, result.ptr};
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  return parse_whole<int64_t>(text);
}

std::optional<double> parse_number(std::string_view text) {
  const auto value = parse_whole<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<double> parse_fraction(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return parse_number(text);
  const auto above = parse_number(text.substr(0, slash)), below = parse_number(text.substr(slash + 1));
  if (!above || !below || *below == 0) return std::nullopt;
  return *above / *below;
}

std::optional<std::vector<double>> parse_fractions(std::string_view text) {
  std::vector<double> values;
  for (const std::string& part : split_commas(text)) {
    const auto value = parse_fraction(part);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

std::string number_text(double value) {
  return shortest(value);
}
std::string number_text(float value) {
  return shortest(value);
}

}  // namespace convoy
