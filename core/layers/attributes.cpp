#include "core/layers/attributes.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {

namespace {

// Beyond this a dimension is a typing error; with build_graph's bound on tensors no product of shapes can overflow.
constexpr int64_t max_integer = 1 << 20;

/// -1 where `text` is not a number in [0, max_integer].
int64_t parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= 0 && value <= max_integer ? value : -1;
}

/// The window's formula in numbers, as the lecture writes it.
std::string formula(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t reach = dilation * (kernel - 1) + 1;
  const double value = static_cast<double>(size + before + after - reach) / static_cast<double>(stride) + 1;
  char number[32];
  std::snprintf(number, sizeof number, "%.4g", value);
  const std::string padding = before == after ? concat("2*", before) : concat(before, "+", after);
  const std::string extent = dilation == 1 ? concat(kernel) : concat("(", dilation, "*(", kernel, "-1)+1)");
  return concat("(", size, " - ", extent, " + ", padding, ")/", stride, " + 1 = ", number);
}

}  // namespace

int64_t window_outputs(int64_t size, int64_t pad_before, int64_t pad_after, int64_t kernel, int64_t stride,
                       int64_t dilation, Fit fit) {
  const int64_t slack = size + pad_before + pad_after - (dilation * (kernel - 1) + 1);
  if (slack < 0) return 0;
  if (fit == Fit::exact && slack % stride != 0) return -1;
  int64_t outputs = slack / stride + 1;
  if (fit == Fit::ceil && slack % stride != 0) {
    ++outputs;
    if ((outputs - 1) * stride >= size + pad_before) --outputs;
  }
  return outputs;
}

const Attribute* Attributes::find(std::string_view key) const {
  const auto found = std::ranges::find(line_->attributes, key, &Attribute::key);
  return found == line_->attributes.end() ? nullptr : &*found;
}

void Attributes::fail(std::string_view key, const std::string& message) const {
  const Attribute* attribute = find(key);
  if (attribute) fail_at(*text_, attribute->line, attribute->value_column, message);
  fail_at(*text_, line_->line, line_->column, message);
}

const Shape& Attributes::input() const {
  if (inputs_.size() != 1) {
    fail("", concat(line_->kind, " reads one layer, but is given ", inputs_.size(), "; name one in from="));
  }
  return inputs_.front();
}

const Shape& Attributes::image_input() const {
  const Shape& shape = input();
  if (shape.rank() != 3) {
    fail("", concat(line_->kind, " reads an image (height x width x channels), but its input is flat (", shape.text(),
                    "); put it before the first fc"));
  }
  return shape;
}

const std::vector<Shape>& Attributes::several_inputs(size_t least) const {
  if (inputs_.size() < least) {
    fail("", concat(line_->kind, " puts ", least, " layers or more together, but is given ", inputs_.size(),
                    "; name them in from=a,b"));
  }
  return inputs_;
}

int64_t Attributes::integer(std::string_view key, int64_t fallback, int64_t least) const {
  const Attribute* attribute = find(key);
  if (!attribute) {
    if (fallback >= 0) return fallback;
    fail(key, concat(line_->kind, " needs ", key, "=NUMBER"));
  }
  const int64_t value = parse_integer(attribute->value);
  if (value < least) {
    fail(key, concat(key, "=", attribute->value, " is not a whole number from ", least, " to ", max_integer));
  }
  return value;
}

float Attributes::number(std::string_view key, float fallback) const {
  const Attribute* attribute = find(key);
  if (!attribute) return fallback;
  const std::vector<float> values = numbers(key);
  if (values.size() != 1) fail(key, concat(key, "=", attribute->value, " is not one number"));
  return values.front();
}

float Attributes::number_in(std::string_view key, float fallback, float least, float most) const {
  const float value = number(key, fallback);
  if (value >= least && value <= most) return value;
  fail(key, concat(key, "=", find(key)->value, " is not between ", least, " and ", most));
}

std::vector<float> Attributes::numbers(std::string_view key) const {
  std::vector<float> values;
  const Attribute* attribute = find(key);
  if (!attribute) return values;
  std::string_view rest = attribute->value;
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    float value = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size() || !std::isfinite(value)) {
      fail(key, concat(key, "=", attribute->value, ": '", word, "' is not a number"));
    }
    values.push_back(value);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  return values;
}

Attributes::Multipliers Attributes::multipliers(std::string_view key, Multipliers fallback) const {
  const std::vector<float> values = numbers(key);
  if (values.empty()) return fallback;
  const bool negative = std::ranges::any_of(values, [](float value) { return value < 0; });
  if (values.size() > 2 || negative) {
    fail(key, concat(key, "=", find(key)->value, " is not one multiplier, or two as WEIGHT,BIAS, from 0 up"));
  }
  return {values.front(), values.size() == 2 ? values.back() : fallback.bias};
}

bool Attributes::on_off(std::string_view key, bool fallback) const {
  return has(key) ? choice(key, {"on", "off"}) == "on" : fallback;
}

Extent2 Attributes::extent(std::string_view key, Extent2 fallback, int64_t least) const {
  const Attribute* attribute = find(key);
  if (!attribute) {
    if (fallback.h >= 0) return fallback;
    fail(key, concat(line_->kind, " needs ", key, "=NUMBER or ", key, "=HEIGHTxWIDTH"));
  }
  const std::string_view value = attribute->value;
  const size_t cross = value.find('x');
  const int64_t h = parse_integer(value.substr(0, cross));
  const int64_t w = cross == std::string_view::npos ? h : parse_integer(value.substr(cross + 1));
  if (h < least || w < least) {
    fail(key, concat(key, "=", value, " is not a whole number from ", least, " or two as HEIGHTxWIDTH (3 or 3x1)"));
  }
  return {h, w};
}

Padding Attributes::padding(std::string_view key) const {
  const Attribute* attribute = find(key);
  if (!attribute || attribute->value.find(',') == std::string::npos) {
    const Extent2 p = extent(key, {0, 0}, 0);
    return {.top = p.h, .left = p.w, .bottom = p.h, .right = p.w};
  }
  std::vector<int64_t> sides;
  for (const std::string& word : split_commas(attribute->value)) sides.push_back(parse_integer(word));
  if (sides.size() != 4 || std::ranges::any_of(sides, [](int64_t side) { return side < 0; })) {
    fail(key, concat(key, "=", attribute->value, " is not a padding; write 1, 1x2 or TOP,LEFT,BOTTOM,RIGHT"));
  }
  return {.top = sides[0], .left = sides[1], .bottom = sides[2], .right = sides[3]};
}

Fit Attributes::fit() const {
  const std::string fit = choice("fit", {"exact", "floor", "ceil"});
  return fit == "floor" ? Fit::floor : fit == "ceil" ? Fit::ceil : Fit::exact;
}

std::string Attributes::word(const std::vector<std::string>& choices) const {
  return choice("", choices);
}

Shape Attributes::shape_word() const {
  const Attribute* attribute = find("");
  if (!attribute) fail("", concat(line_->kind, " needs a shape, HEIGHTxWIDTHxCHANNELS: 28x28x1"));
  std::vector<int64_t> dims;
  std::string_view rest = attribute->value;
  for (bool more = true; more;) {
    const size_t cross = rest.find('x');
    dims.push_back(parse_integer(rest.substr(0, cross)));
    more = cross != std::string_view::npos;
    if (more) rest.remove_prefix(cross + 1);
  }
  const bool positive = std::ranges::all_of(dims, [](int64_t d) { return d > 0; });
  if (positive && dims.size() == 1) return {dims[0]};
  if (positive && dims.size() == 3) return {dims[0], dims[1], dims[2]};
  fail("", concat("'", attribute->value, "' is not a shape; write HEIGHTxWIDTHxCHANNELS, as in 28x28x1"));
}

std::string Attributes::choice(std::string_view key, const std::vector<std::string>& choices) const {
  const Attribute* attribute = find(key);
  if (!attribute) {
    if (!key.empty()) return choices.front();
    fail(key, concat(line_->kind, " needs one of: ", join(choices, ", ")));
  }
  if (std::ranges::find(choices, attribute->value) == choices.end()) {
    const std::string near = nearest_word(attribute->value, choices);
    fail(key, concat("'", attribute->value, "' is not one of: ", join(choices, ", "),
                     near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  return attribute->value;
}

Initialiser Attributes::initialiser(int64_t fan_in, int64_t fan_out) const {
  Initialiser init{.fan_in = fan_in, .fan_out = fan_out};
  const std::string kind = choice("init", {"he", "xavier", "gaussian", "constant"});
  if (kind == "he") init.kind = Initialiser::Kind::he;
  if (kind == "xavier") init.kind = Initialiser::Kind::xavier;
  if (kind == "gaussian") init.kind = Initialiser::Kind::gaussian, init.value = number("std", 0.01f);
  if (kind == "constant") init.kind = Initialiser::Kind::constant, init.value = number("value", 0);
  return init;
}

Extent2 Attributes::window_output(const Extent2& kernel, const Extent2& stride, const Extent2& dilation,
                                  const Padding& padding) const {
  const Shape& in = image_input();
  const auto one_way = [&](const char* way, int64_t size, int64_t before, int64_t after, int64_t f, int64_t s,
                           int64_t d) {
    const int64_t outputs = window_outputs(size, before, after, f, s, d, fit());
    if (outputs > 0) return outputs;
    const std::string window =
        concat(in[0], "x", in[1], " input, F=", f, ", S=", s, ", P=", before, d == 1 ? "" : concat(", D=", d), " (",
               way, "): ", formula(size, before, after, f, s, d));
    if (outputs == 0) fail("F", window + "; the window is larger than its input, make F smaller or P larger");
    fail("F", window + " is not whole; change F, S or P, or add fit=floor or fit=ceil");
  };
  return {one_way("height", in[0], padding.top, padding.bottom, kernel.h, stride.h, dilation.h),
          one_way("width", in[1], padding.left, padding.right, kernel.w, stride.w, dilation.w)};
}

}  // namespace convoy
