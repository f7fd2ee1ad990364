#include "core/graph/network_text.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/layers/layer_table.hpp"

namespace convoy {

namespace {

constexpr size_t max_text_bytes = size_t{1} << 20;
constexpr int max_lines = 10'000;

struct Token {
  std::string_view text;
  int column = 0;  // from 1
};

std::vector<Token> split(std::string_view line) {
  std::vector<Token> tokens;
  line = line.substr(0, line.find('#'));
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos) {
    const size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    tokens.push_back({line.substr(at, end - at), static_cast<int>(at) + 1});
    at = end;
  }
  return tokens;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = nearest_word(word, known);
  return near.empty() ? "known here: " + join(known, ", ") : "did you mean '" + near + "'?";
}

bool is_name(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

class Parser {
 public:
  Parser(std::string_view text, std::string source) : result_{std::move(source), std::string(text), {}} {}

  NetworkText run() {
    if (result_.text.size() > max_text_bytes) {
      fail(ExitCode::usage, result_.source, ": ", human_bytes(result_.text.size()),
           " is too long for a network; at most 1 MiB is read. Is this a network text?");
    }
    std::istringstream lines(result_.text);
    std::string line;
    while (std::getline(lines, line)) {
      if (++line_ > max_lines) fail_at(result_, line_, 1, "more than 10,000 lines; a network has one layer a line");
      const std::vector<Token> tokens = split(line);
      if (tokens.empty()) continue;
      if (tokens.front().text == "default") {
        read_default(tokens);
      } else {
        read_layer(tokens);
      }
    }
    if (result_.lines.empty()) {
      fail_at(result_, 1, 1, "no layers; a network starts with a line such as 'input 28x28x1'");
    }
    return std::move(result_);
  }

 private:
  Attribute read_attribute(const Token& token) {
    const size_t equals = token.text.find('=');
    Attribute attribute{.line = line_, .column = token.column, .value_column = token.column};
    if (equals == std::string_view::npos) {
      attribute.value = token.text;
      return attribute;
    }
    attribute.key = token.text.substr(0, equals);
    attribute.value = token.text.substr(equals + 1);
    attribute.value_column += static_cast<int>(equals) + 1;
    if (attribute.key.empty()) fail_at(result_, line_, token.column, "'=' without a key before it; write KEY=VALUE");
    if (attribute.value.empty()) {
      fail_at(result_, line_, attribute.value_column, "'" + attribute.key + "=' has no value; write KEY=VALUE");
    }
    return attribute;
  }

  void read_default(const std::vector<Token>& tokens) {
    std::set<std::string> known;
    for (const LayerKind& kind : layer_table()) known.insert(kind.keys.begin(), kind.keys.end());
    for (size_t i = 1; i < tokens.size(); ++i) {
      Attribute attribute = read_attribute(tokens[i]);
      if (!known.contains(attribute.key)) {
        fail_at(result_, line_, attribute.column,
                "no layer has an attribute '" + attribute.key + "'; " +
                    did_you_mean(attribute.key, {known.begin(), known.end()}));
      }
      defaults_[attribute.key] = std::move(attribute);
    }
  }

  void read_layer(std::vector<Token> tokens) {
    LayerLine layer{.line = line_};
    if (tokens.front().text.ends_with(':')) {
      layer.label = tokens.front().text.substr(0, tokens.front().text.size() - 1);
      if (!is_name(layer.label)) {
        fail_at(result_, line_, tokens.front().column, "a label is letters, digits, '_', '-' and '.', then ':'");
      }
      if (tokens.size() == 1) {
        fail_at(result_, line_, tokens.front().column, "a label without a layer; write 'LABEL: KIND KEY=VALUE ...'");
      }
      tokens.erase(tokens.begin());
    }
    layer.kind = tokens.front().text;
    layer.column = tokens.front().column;
    const LayerKind* kind = find_layer_kind(layer.kind);
    if (!kind) {
      std::vector<std::string> names{"default"};
      for (const LayerKind& k : layer_table()) names.push_back(k.name);
      fail_at(result_, line_, layer.column, "no layer kind '" + layer.kind + "'; " + did_you_mean(layer.kind, names));
    }
    tokens.erase(tokens.begin());
    for (const Token& token : tokens) take_attribute(layer, *kind, read_attribute(token));
    for (const auto& [key, attribute] : defaults_) {
      const bool given =
          std::ranges::any_of(layer.attributes, [&key = key](const Attribute& a) { return a.key == key; });
      if (!given && std::ranges::find(kind->keys, key) != kind->keys.end()) layer.attributes.push_back(attribute);
    }
    name_layer(layer);
    result_.lines.push_back(std::move(layer));
  }

  void take_attribute(LayerLine& layer, const LayerKind& kind, Attribute attribute) {
    if (attribute.key == "from") return take_from(layer, attribute);
    if (attribute.key.empty()) {
      const bool second = std::ranges::any_of(layer.attributes, [](const Attribute& a) { return a.key.empty(); });
      if (!kind.takes_word || second) {
        fail_at(result_, line_, attribute.column, "unexpected '" + attribute.value + "'; attributes are KEY=VALUE");
      }
    } else {
      if (std::ranges::find(kind.keys, attribute.key) == kind.keys.end()) {
        std::vector<std::string> known = kind.keys;
        known.push_back("from");
        fail_at(result_, line_, attribute.column,
                layer.kind + " has no attribute '" + attribute.key + "'; " + did_you_mean(attribute.key, known));
      }
      const bool twice =
          std::ranges::any_of(layer.attributes, [&](const Attribute& a) { return a.key == attribute.key; });
      if (twice) fail_at(result_, line_, attribute.column, "'" + attribute.key + "' is given twice; keep one");
    }
    layer.attributes.push_back(std::move(attribute));
  }

  void take_from(LayerLine& layer, const Attribute& attribute) {
    std::istringstream names(attribute.value);
    std::string name;
    int column = attribute.value_column;
    while (std::getline(names, name, ',')) {
      if (!labels_.contains(name)) {
        fail_at(result_, line_, column,
                "no earlier layer is called '" + name + "'; " + did_you_mean(name, {labels_.begin(), labels_.end()}));
      }
      layer.from.push_back(name);
      column += static_cast<int>(name.size()) + 1;
    }
  }

  void name_layer(LayerLine& layer) {
    const int number = ++numbers_[layer.kind];
    const bool given = !layer.label.empty();
    if (!given) layer.label = layer.kind + std::to_string(number);
    if (!labels_.insert(layer.label).second) {
      fail_at(result_, line_, given ? 1 : layer.column,
              "'" + layer.label + "' names an earlier layer already; choose another label");
    }
  }

  NetworkText result_;
  int line_ = 0;
  std::map<std::string, Attribute> defaults_;
  std::map<std::string, int> numbers_;
  std::set<std::string> labels_;
};

}  // namespace

NetworkText parse_network(std::string_view text, std::string source) {
  return Parser(text, std::move(source)).run();
}

NetworkText read_network(const std::string& path) {
  std::ifstream file(path);
  std::string text(max_text_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    fail(ExitCode::usage, path, ": the network text cannot be read; check the path after --net");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_network(text, path);
}

NetworkText with_loss(const NetworkText& network, const std::string& words) {
  int loss_line = 0;
  for (const LayerLine& layer : network.lines) {
    if (layer.kind == "loss") loss_line = layer.line;
  }
  std::istringstream lines(network.text);
  std::string line, text;
  for (int number = 1; std::getline(lines, line); ++number) {
    text += (number == loss_line ? "loss " + words : line) + "\n";
  }
  if (loss_line == 0) text += "loss " + words + "\n";
  return parse_network(text, network.source);
}

void fail_at(const NetworkText& text, int line, int column, const std::string& message) {
  fail(ExitCode::usage, text.source, ":", line, ":", column, ": ", message);
}

}  // namespace convoy
