// The text of a chain of transforms: `random-crop 32 padding=4, flip`. Commas part the transforms; each is a name, its
// value, then KEY=VALUE attributes, as in the lines of a network text.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace convoy {

/// Height and width of a picture; 0 where they are not known beforehand.
struct PictureSize {
  int64_t height = 0, width = 0;
  bool known() const { return height > 0; }
  bool operator==(const PictureSize&) const = default;
  std::string text() const { return std::to_string(height) + "x" + std::to_string(width); }
};

/// From `least` to `most`.
struct NumberRange {
  double least = 0, most = 0;
};

/// One transform as written, with typed access. Errors are Error(usage): "KEY: `words`: what; remedy".
class TransformWords {
 public:
  TransformWords(std::string key, std::string_view text);

  const std::string& name() const { return name_; }
  /// With single spaces: what was written, for messages and to be compared.
  std::string text() const;

  /// Fails for an attribute that is not among `keys`, and for a value where `takes_value` is false.
  enum class Value { none, taken };
  void check(Value value, const std::vector<std::string>& keys) const;

  /// The value: "224" or "224x192". Fails where there is none.
  PictureSize size() const;
  bool has_value() const { return !value_.empty(); }
  /// The value as a whole number of at least `least`; fails where there is none.
  int64_t integer(int64_t least) const;
  /// The value as a number between both, `fallback` where there is none.
  double number(double fallback, double least, double most) const;
  /// An attribute, `fallback` where it is not given.
  int64_t integer(const std::string& key, int64_t fallback, int64_t most) const;
  /// "0.08..1", "3/4..4/3".
  NumberRange range(const std::string& key, NumberRange fallback, double most) const;

  [[noreturn]] void fail(const std::string& message) const;

 private:
  const std::string* find(const std::string& key) const;

  std::string key_, name_, value_;
  std::vector<std::pair<std::string, std::string>> attributes_;
};

/// The transforms of a chain; none for "none". `key` is what the chain is called in messages.
std::vector<TransformWords> read_chain(const std::string& key, const std::string& text);

}  // namespace convoy
