// A network made ready to run on one worker.
#include "launchers/run/model.hpp"

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {

size_t MemoryPlan::total() const {
  size_t sum = 0;
  for (const Part& part : parts) sum += part.bytes / static_cast<size_t>(part.sharers);
  return sum;
}

std::string MemoryPlan::text() const {
  std::vector<std::string> words;
  for (const Part& part : parts) {
    if (part.bytes == 0) continue;
    words.push_back(part.name + " " + human_bytes(part.bytes));
    if (part.sharers > 1) words.back() += concat(" shared by ", part.sharers);
  }
  return human_bytes(total()) + ": " + join(words, ", ");
}

Model::Model(Graph graph, Device& device, const ModelOptions& options)
    : device_(device),
      net_(std::move(graph), device,
           {.op = {.batch = options.lanes.lane_batch,
                   .teams = options.lanes.teams(),
                   .threads = options.lanes.threads_per_team(),
                   .compute = options.compute,
                   .tuning = options.tuning},
            .training = options.purpose == ModelOptions::Purpose::training,
            .pixels = options.pixels,
            .seed = options.seed}),
      lane_options_(options.lanes),
      slot_names_(options.slot_names) {}

MemoryPlan Model::plan(int sharers) const {
  const size_t flat = net_.segments().size() * sizeof(float);
  MemoryPlan plan{{{"parameters", flat, sharers}, {"gradients", flat}}};
  for (const std::string& slot : slot_names_) plan.parts.push_back({slot, flat, sharers});
  if (!device_.on_host()) return plan;
  add_lanes(plan);
  plan.parts.push_back({"packed weights", net_.packed_bytes(), sharers});
  return plan;
}

MemoryPlan Model::device_plan(bool state) const {
  const size_t flat = net_.segments().size() * sizeof(float);
  MemoryPlan plan{{{"parameters", flat}, {"gradients", flat}}};
  if (state) {
    for (const std::string& slot : slot_names_) plan.parts.push_back({slot, flat});
  }
  add_lanes(plan);
  plan.parts.push_back({"images", Lanes::input_bytes(net_, lane_options_)});
  plan.parts.push_back({"packed weights", net_.packed_bytes()});
  return plan;
}

void Model::add_lanes(MemoryPlan& plan) const {
  const size_t activations = static_cast<size_t>(lane_options_.teams()) * net_.activation_bytes();
  plan.parts.push_back({"lane gradients", Lanes::bytes(net_, lane_options_) - activations});
  plan.parts.push_back({"activations", activations});
}

void Model::allocate(const ModelMemory& memory) {
  std::span<std::byte> common = memory.common, gradients = memory.gradients;
  if (gradients.empty()) {
    host_storage_ = DeviceBuffer(*host_, common_bytes() + gradient_bytes(), "parameters and gradients");
    common = std::span(host_storage_.data(), common_bytes());
    gradients = std::span(host_storage_.data(), host_storage_.bytes()).subspan(common_bytes());
  }
  const SegmentTable& table = net_.segments();
  arena_.emplace(table, static_cast<int>(slot_names_.size()), common.first(arena_common_bytes()), gradients);
  if (device_.on_host()) {
    packed_ = common.subspan(arena_common_bytes());
    team_ = memory.team;
  } else {
    const int slots = memory.gradients.empty() ? arena_->slots() : 0;
    const size_t bytes = ParameterArena::bytes(table, slots);
    device_storage_ = DeviceBuffer(device_, bytes + net_.packed_bytes(), "parameters and gradients");
    const std::span storage(device_storage_.data(), device_storage_.bytes());
    device_arena_.emplace(table, slots, storage.first(bytes));
    packed_ = storage.subspan(bytes);
  }
  lanes_.emplace(net_, device_arena(), device_, lane_options_);
}

void Model::weights_changed() {
  if (!device_.on_host()) {
    device_.upload(device_arena_->weights().data(), arena_->weights().data(), device_common_bytes());
  }
  net_.bind(device_arena().weights(), packed_, team_);
}

void Model::fetch() const {
  if (device_.on_host()) return;
  device_.download(arena_->weights().data(), device_arena_->weights().data(), device_common_bytes());
}

void broadcast_parameters(const ParameterArena& arena, Communicator& communicator) {
  communicator.broadcast(std::as_writable_bytes(arena.weights()), 0);
  for (int slot = 0; slot < arena.slots(); ++slot) {
    communicator.broadcast(std::as_writable_bytes(arena.slot(slot)), 0);
  }
}

void check_data_fits(const Graph& graph, const Dataset& data, const Augmentation& chain, const std::string& chain_key) {
  const std::string& folder = data.folder();
  if (graph.loss() < 0) {
    fail(ExitCode::usage, graph.text.source, ": there is no loss to measure by; end the network with `loss softmax`");
  }
  if (graph.input().rank() != 3) {
    fail(ExitCode::usage, graph.text.source, ": the network's input is flat, ", graph.input().text(), ", images of ",
         folder, " are ", data.image().text(), "; write `input HxWxC`");
  }
  check_pictures_fit(data.header(), chain, graph.input(), chain_key, folder, graph.text.source);
  const int64_t outputs = graph.nodes[static_cast<size_t>(graph.prediction())].output.count();
  const int64_t class_count = data.class_count();
  if (class_count > outputs && !graph.nodes.back().layer->is_regression()) {
    fail(ExitCode::usage, graph.text.source, ": the network has ", outputs, outputs == 1 ? " output, " : " outputs, ",
         folder, " has ", class_count, " classes; give the last layer K=", class_count);
  }
}

}  // namespace convoy
