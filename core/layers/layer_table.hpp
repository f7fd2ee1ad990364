// The list of layer kinds: the one place where a new layer is made known.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"

namespace convoy {

struct LayerKind {
  std::string name;               // as in the network text
  std::vector<std::string> keys;  // attributes it knows (`from` is known to all)
  bool takes_word = false;        // one bare word or shape follows the kind: `input 28x28x1`, `loss softmax`
  std::string help;               // one line
  std::unique_ptr<Layer> (*make)(const Attributes& attributes);
};

const std::vector<LayerKind>& layer_table();

/// nullptr when there is no such kind.
const LayerKind* find_layer_kind(std::string_view name);

}  // namespace convoy
