#include "core/graph/graph.hpp"

#include <algorithm>
#include <map>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/layers/layer_table.hpp"

namespace convoy {

namespace {

// 32-bit element counts within one image's tensor or one parameter: what the ops libraries index with.
constexpr double max_elements = 2147483647.0;

double elements(const Shape& shape) {
  double n = 1;
  for (int i = 0; i < shape.rank(); ++i) n *= static_cast<double>(shape[i]);
  return n;
}

// Sums and products over layers stop at what no real network reaches, rather than overflow.
constexpr int64_t most = int64_t{1} << 62;

int64_t plus(int64_t a, int64_t b) {
  return a > most - b ? most : a + b;
}

int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? most : std::min(product, most);
}

class Builder {
 public:
  explicit Builder(NetworkText text) { graph_.text = std::move(text); }

  Graph run() {
    for (const LayerLine& line : graph_.text.lines) add(line);
    check_all_read();
    return std::move(graph_);
  }

 private:
  void add(const LayerLine& line) {
    const int index = static_cast<int>(graph_.nodes.size());
    if ((line.kind == "input") != (index == 0)) {
      fail_at(graph_.text, line.line, line.column,
              index == 0 ? "a network starts with its input, such as 'input 28x28x1'"
                         : "a network has one input, its first line");
    }
    if (index > 0 && graph_.nodes.back().layer->is_loss()) {
      fail_at(graph_.text, line.line, line.column, "nothing can follow the loss; move it to the end");
    }
    Node node{.kind = line.kind, .name = line.label, .inputs = inputs_of(line, index)};
    std::vector<Shape> shapes;
    for (const int i : node.inputs) shapes.push_back(graph_.nodes[i].output);
    node.layer = find_layer_kind(line.kind)->make(Attributes(graph_.text, line, std::move(shapes)));
    node.output = node.layer->output();
    check_size(line, node.output, "output");
    for (const ParameterSpec& parameter : node.layer->parameters()) {
      check_size(line, parameter.shape, parameter.name.c_str());
      if (parameter.average_rate == 0) node.parameters += parameter.shape.count();
    }
    set_receptive_field(node);
    index_of_[node.name] = index;
    graph_.nodes.push_back(std::move(node));
  }

  std::vector<int> inputs_of(const LayerLine& line, int index) const {
    std::vector<int> inputs;
    for (const std::string& name : line.from) inputs.push_back(index_of_.at(name));
    if (inputs.empty() && index > 0) inputs.push_back(index - 1);
    return inputs;
  }

  void check_size(const LayerLine& line, const Shape& shape, const char* what) const {
    if (elements(shape) <= max_elements) return;
    fail_at(graph_.text, line.line, line.column,
            concat(line.label, "'s ", what, " would be ", shape.text(), ", more than 2,147,483,647 elements"));
  }

  /// r_out = r_in + (extent - 1) * stride_in; strides multiply. An fc sees everything.
  void set_receptive_field(Node& node) const {
    node.receptive_field = node.receptive_stride = {1, 1};
    if (node.inputs.empty()) return;
    const Shape& image = graph_.nodes.front().output;
    const bool image_net = image.rank() == 3;
    const Window window = node.layer->window();
    for (const int i : node.inputs) {
      const Node& in = graph_.nodes[i];
      node.receptive_stride = {times(in.receptive_stride.h, window.stride.h),
                               times(in.receptive_stride.w, window.stride.w)};
      node.receptive_field.h = std::max(node.receptive_field.h,
                                        plus(in.receptive_field.h, times(window.extent.h - 1, in.receptive_stride.h)));
      node.receptive_field.w = std::max(node.receptive_field.w,
                                        plus(in.receptive_field.w, times(window.extent.w - 1, in.receptive_stride.w)));
    }
    const bool flat = node.output.rank() != 3;
    if (image_net && flat) node.receptive_field = {image[0], image[1]};
  }

  void check_all_read() const {
    std::vector<bool> read(graph_.nodes.size(), false);
    for (const Node& node : graph_.nodes) {
      for (const int i : node.inputs) read[static_cast<size_t>(i)] = true;
    }
    for (size_t i = 0; i + 1 < graph_.nodes.size(); ++i) {
      if (read[i]) continue;
      const LayerLine& line = graph_.text.lines[i];
      fail_at(graph_.text, line.line, line.column,
              "nothing reads the output of '" + line.label + "'; use it or remove the line");
    }
  }

  Graph graph_;
  std::map<std::string, int> index_of_;
};

}  // namespace

Graph build_graph(NetworkText text) {
  return Builder(std::move(text)).run();
}

int Graph::loss() const {
  return nodes.back().layer->is_loss() ? static_cast<int>(nodes.size()) - 1 : -1;
}

int Graph::prediction() const {
  const int last = static_cast<int>(nodes.size()) - 1;
  return loss() == last ? nodes.back().inputs.front() : last;
}

bool Graph::mixes_images() const {
  return std::ranges::any_of(nodes, [](const Node& node) { return node.layer->mixes_images(); });
}

int64_t Graph::parameters() const {
  int64_t sum = 0;
  for (const Node& node : nodes) sum += node.parameters;
  return sum;
}

int64_t Graph::multiply_adds() const {
  int64_t sum = 0;
  for (const Node& node : nodes) sum = plus(sum, node.layer->multiply_adds());
  return sum;
}

SegmentTable Graph::segments() const {
  SegmentTable table;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    for (const ParameterSpec& parameter : node->layer->parameters()) {
      table.add({.name = node->name + "/" + parameter.name,
                 .shape = parameter.shape,
                 .decay_multiplier = parameter.decay_multiplier,
                 .rate_multiplier = parameter.rate_multiplier,
                 .init = parameter.init,
                 .role = parameter.role,
                 .average_rate = parameter.average_rate});
    }
  }
  return table;
}

}  // namespace convoy
