// The network language: one layer a line, `kind KEY=VALUE ...`, `#` starts a comment.
//
//   input 28x28x1
//   default init=xavier          # default attribute values for the lines that follow
//   conv K=20 F=5
//   a: maxpool F=2 S=2           # a label
//   fc K=10 from=a               # reads the labelled layer instead of the line before
//   loss softmax
//
// Errors are Error(usage) of the form "FILE:LINE:COLUMN: what; remedy".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/shape.hpp"

namespace convoy {

struct Attribute {
  std::string key;    // "" for a bare word, such as `softmax` in `loss softmax`
  std::string value;  // as written
  int line = 0;       // from 1; of the `default` line where it came from one
  int column = 0;     // of the key, from 1
  int value_column = 0;
};

struct LayerLine {
  std::string kind;
  std::string label;                  // as written, or kind and number within its kind: "conv1"
  std::vector<Attribute> attributes;  // `default` lines are merged in (only those whose key the kind knows)
  std::vector<std::string> from;      // labels; empty means the line before
  int line = 0;
  int column = 0;  // of the kind
};

/// Where a text came from, for messages.
struct NetworkText {
  std::string source;  // file name
  std::string text;
  std::vector<LayerLine> lines;
};

/// Parses and checks kinds, keys and labels against the layer table (core/layers/layer_table.hpp). Unknown kinds and
/// keys name the nearest known one. Limits: 1 MiB of text, 10,000 lines; beyond them an error.
NetworkText parse_network(std::string_view text, std::string source);

/// Reads a file and parses it. Throws Error(usage) when it cannot be read.
NetworkText read_network(const std::string& path);

/// The same network with another loss: its `loss` line becomes `loss WORDS`, which is appended where there is none.
NetworkText with_loss(const NetworkText& network, const std::string& words);

/// Throws Error(usage) "SOURCE:LINE:COLUMN: message".
[[noreturn]] void fail_at(const NetworkText& text, int line, int column, const std::string& message);

}  // namespace convoy
