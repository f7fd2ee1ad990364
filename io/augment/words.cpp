// See words.hpp.
#include "io/augment/words.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

constexpr int64_t largest_side = 1 << 20;

template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A number or a fraction; finite.
std::optional<double> parse_fraction(std::string_view text) {
  const size_t slash = text.find('/');
  const auto above = parse<double>(text.substr(0, slash));
  const auto below = slash == std::string_view::npos ? 1.0 : parse<double>(text.substr(slash + 1));
  if (!above || !below || !std::isfinite(*above / *below)) return std::nullopt;
  return *above / *below;
}

}  // namespace

TransformWords::TransformWords(std::string key, std::string_view text) : key_(std::move(key)) {
  std::istringstream words{std::string(text)};
  std::string word;
  words >> name_;
  while (words >> word) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      if (!value_.empty() || !attributes_.empty()) {
        value_ += (value_.empty() ? "" : " ") + word;
        fail("'" + word + "' is one word too many; write a comma before the next transform, KEY=VALUE for the rest");
      }
      value_ = word;
      continue;
    }
    attributes_.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    if (equals == 0 || equals + 1 == word.size()) fail("'" + word + "' lacks a key or a value; write KEY=VALUE");
  }
}

std::string TransformWords::text() const {
  std::string text = name_;
  if (!value_.empty()) text += " " + value_;
  for (const auto& [key, value] : attributes_) text.append(" ").append(key).append("=").append(value);
  return text;
}

void TransformWords::fail(const std::string& message) const {
  convoy::fail(ExitCode::usage, key_, ": `", text(), "`: ", message);
}

const std::string* TransformWords::find(const std::string& key) const {
  const auto found = std::ranges::find(attributes_, key, &std::pair<std::string, std::string>::first);
  return found == attributes_.end() ? nullptr : &found->second;
}

void TransformWords::check(Value value, const std::vector<std::string>& keys) const {
  if (value == Value::none && has_value()) fail(name_ + " takes no value; leave out '" + value_ + "'");
  for (size_t i = 0; i < attributes_.size(); ++i) {
    const std::string& key = attributes_[i].first;
    if (std::ranges::find(keys, key) == keys.end()) {
      const std::string near = nearest_word(key, keys);
      fail(concat(name_, " has no attribute '", key, "'; ",
                  !near.empty()  ? "did you mean '" + near + "'?"
                  : keys.empty() ? std::string("it takes none")
                                 : "it knows " + join(keys, ", ")));
    }
    for (size_t j = 0; j < i; ++j) {
      if (attributes_[j].first == key) fail("'" + key + "' is given twice; leave one out");
    }
  }
}

PictureSize TransformWords::size() const {
  const size_t cross = value_.find('x');
  const auto height = parse<int64_t>(std::string_view(value_).substr(0, cross));
  const auto width = cross == std::string::npos ? height : parse<int64_t>(std::string_view(value_).substr(cross + 1));
  if (!height || !width || *height < 1 || *width < 1 || *height > largest_side || *width > largest_side) {
    fail("expected a size in pixels; write `" + name_ + " 224`, or HEIGHTxWIDTH");
  }
  return {*height, *width};
}

int64_t TransformWords::integer(int64_t least) const {
  const auto value = parse<int64_t>(value_);
  if (!value || *value < least || *value > largest_side) {
    fail(concat("expected a number of pixels, at least ", least, "; write `", name_, " N`"));
  }
  return *value;
}

double TransformWords::number(double fallback, double least, double most) const {
  if (value_.empty()) return fallback;
  const auto value = parse_fraction(value_);
  if (!value || *value < least || *value > most) {
    fail(concat("expected a number from ", least, " to ", most, "; such as `", name_, " ", fallback, "`"));
  }
  return *value;
}

int64_t TransformWords::integer(const std::string& key, int64_t fallback, int64_t most) const {
  const std::string* text = find(key);
  if (!text) return fallback;
  const auto value = parse<int64_t>(*text);
  if (!value || *value < 0 || *value > most) {
    fail(concat(key, ": expected a whole number from 0 to ", most, "; not '", *text, "'"));
  }
  return *value;
}

NumberRange TransformWords::range(const std::string& key, NumberRange fallback, double most) const {
  const std::string* text = find(key);
  if (!text) return fallback;
  const size_t dots = text->find("..");
  const auto from = parse_fraction(std::string_view(*text).substr(0, dots));
  const auto to = dots == std::string::npos ? from : parse_fraction(std::string_view(*text).substr(dots + 2));
  if (!from || !to || *from <= 0 || *from > *to || *to > most) {
    fail(concat(key, ": expected LEAST..MOST, above 0 and at most ", most, "; such as ", key, "=", fallback.least, "..",
                fallback.most));
  }
  return {*from, *to};
}

std::vector<TransformWords> read_chain(const std::string& key, const std::string& text) {
  std::vector<TransformWords> chain;
  if (text == "none") return chain;
  for (const std::string& part : split_commas(text)) {
    chain.emplace_back(key, part);
    if (chain.back().name().empty()) {
      fail(ExitCode::usage, key, ": a transform is missing in '", text,
           "'; write them one after another with a comma between, or none");
    }
  }
  return chain;
}

}  // namespace convoy
