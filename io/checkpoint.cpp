// The inside of a checkpoint: parameters, optimizer state, the state of the run and its texts.
#include "io/checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "io/atomic_file.hpp"
#include "io/checkpoint_file.hpp"
#include "io/hdf5/draft.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::string slot_group(const std::string& slot) {
  return "optimizer/" + slot;
}

std::vector<int64_t> dims_of(const Shape& shape) {
  std::vector<int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

std::span<const float> elements(std::span<const float> buffer, const Segment& segment) {
  return buffer.subspan(segment.offset, segment.count);
}

/// Data of a dataset and its place in the file.
struct Block {
  hdf5::Region region;
  std::span<const float> data;
};

/// The group of a segment's weights.
const char* group_of(const Segment& segment) {
  return segment.is_parameter() ? "params" : "buffers";
}

std::string weights_path(const Segment& segment) {
  return concat(group_of(segment), "/", segment.name);
}

bool has_buffers(const SegmentTable& table) {
  return !std::ranges::all_of(table.segments(), &Segment::is_parameter);
}

Block block_of(const hdf5::File& file, const std::string& name, const Segment& segment, std::span<const float> buffer) {
  return {.region = hdf5::add_dataset(file, name, H5T_IEEE_F32LE, dims_of(segment.shape)),
          .data = elements(buffer, segment)};
}

std::vector<Block> lay_out(const hdf5::Draft& draft, const ParameterArena& arena,
                           const std::vector<std::string>& slot_names, const CheckpointState& state) {
  const hdf5::Session session;
  const hdf5::File file = draft.create({.user_block = user_block_bytes});
  std::vector<Block> blocks;
  const auto& segments = arena.table().segments();
  hdf5::make_group(file, "params");
  if (has_buffers(arena.table())) hdf5::make_group(file, "buffers");
  for (const Segment& segment : segments) {
    blocks.push_back(block_of(file, weights_path(segment), segment, arena.weights()));
  }
  for (size_t i = 0; i < slot_names.size(); ++i) {
    const std::string group = slot_group(slot_names[i]);
    hdf5::make_group(file, group);
    for (const Segment& segment : segments) {
      if (!segment.is_parameter()) continue;  // running averages have no optimizer state
      blocks.push_back(block_of(file, group + "/" + segment.name, segment, arena.slot(static_cast<int>(i))));
    }
  }
  hdf5::make_group(file, "state");
  hdf5::write_attribute(file, "state", "step", state.step);
  hdf5::write_attribute(file, "state", "samples", state.samples);
  hdf5::write_attribute(file, "state", "seed", state.seed);
  for (const auto& [name, text] : state.notes) hdf5::write_attribute(file, "state", name, text);
  hdf5::write_text(file, "network", state.network);
  hdf5::write_text(file, "recipe", state.recipe);
  if (!state.mean_image.empty()) {
    hdf5::write(file, "mean_image", H5T_IEEE_F32LE, dims_of(state.mean_image.shape), H5T_NATIVE_FLOAT,
                state.mean_image.pixels.data());
  }
  return blocks;
}

/// A resumed run writes steps below those of damaged checkpoints that it passed over.
void set_later_ones_aside(const std::string& run_folder, int64_t step) {
  for (const std::string& path : list_checkpoints(run_folder)) {
    std::error_code ignored;  // it may stay; it is found damaged again
    if (step_of_name(path) > step) fs::rename(path, path + ".abandoned", ignored);
  }
}

void fail_parameter(const std::string& path, const std::string& name, const std::string& why) {
  fail(ExitCode::data, path, ": parameter ", name, " ", why, "; give a file made for this network");
}

/// Throws if the file has datasets under `group` that are not the weights of such segments.
void refuse_strangers(const hdf5::File& file, const std::string& group, const SegmentTable& table,
                      bool (*belongs)(const Segment&)) {
  if (!hdf5::exists(file, group)) return;
  for (const std::string& name : hdf5::datasets_under(file, group)) {
    const Segment* segment = table.find(name);
    if (segment && belongs(*segment)) continue;
    fail_parameter(file.path, group + "/" + name, "is in the file, but not in this network");
  }
}

bool is_parameter(const Segment& segment) {
  return segment.is_parameter();
}

bool is_buffer(const Segment& segment) {
  return !segment.is_parameter();
}

void read_segment(const hdf5::File& file, const std::string& path, const Segment& segment, std::span<float> buffer) {
  if (!hdf5::exists(file, path)) {
    fail_parameter(file.path, path,
                   concat("of shape ", segment.shape.text(), " is in this network, but not in the file"));
  }
  const hdf5::DatasetInfo info = hdf5::describe(file, path);
  if (info.dims != dims_of(segment.shape)) {
    fail_parameter(
        file.path, path,
        concat("has shape ", hdf5::text_of(info.dims), " in the file and ", segment.shape.text(), " in this network"));
  }
  if (info.type != H5T_FLOAT) fail_parameter(file.path, path, "is not of a floating-point type");
  hdf5::read(file, path, H5T_NATIVE_FLOAT, buffer.data() + segment.offset);
}

void read_weights(const hdf5::File& file, const ParameterArena& arena, Buffers buffers) {
  refuse_strangers(file, "params", arena.table(), is_parameter);
  refuse_strangers(file, "buffers", arena.table(), is_buffer);
  for (const Segment& segment : arena.table().segments()) {
    const std::string path = weights_path(segment);
    if (buffers == Buffers::optional && is_buffer(segment) && !hdf5::exists(file, path)) continue;
    read_segment(file, path, segment, arena.weights());
  }
}

void read_slot(const hdf5::File& file, const std::string& group, const ParameterArena& arena, int slot) {
  refuse_strangers(file, group, arena.table(), is_parameter);
  for (const Segment& segment : arena.table().segments()) {
    if (segment.is_parameter()) read_segment(file, group + "/" + segment.name, segment, arena.slot(slot));
  }
}

MeanImage read_mean_image(const hdf5::File& file) {
  const std::vector<int64_t> dims = hdf5::describe(file, "mean_image").dims;
  if (dims.size() != 3) fail(ExitCode::data, file.path, ": mean_image is not (H,W,C); give another checkpoint");
  MeanImage mean{.shape = {dims[0], dims[1], dims[2]}};
  mean.pixels.resize(static_cast<size_t>(mean.shape.count()));
  hdf5::read(file, "mean_image", H5T_NATIVE_FLOAT, mean.pixels.data());
  return mean;
}

void check_slots(const hdf5::File& file, std::vector<std::string> wanted) {
  std::vector<std::string> stored;
  if (hdf5::exists(file, "optimizer")) stored = hdf5::members(file, "optimizer");
  std::sort(wanted.begin(), wanted.end());
  if (stored == wanted) return;
  const auto text = [](const std::vector<std::string>& names) { return names.empty() ? "none" : join(names, ", "); };
  fail(ExitCode::data, file.path, ": holds the optimizer state ", text(stored), ", where ", text(wanted),
       " was expected; resume with the optimizer that wrote it");
}

}  // namespace

std::string write_checkpoint(const std::string& run_folder, const ParameterArena& arena,
                             const std::vector<std::string>& slot_names, const CheckpointState& state) {
  if (std::cmp_not_equal(slot_names.size(), arena.slots())) {
    fail(ExitCode::internal, "checkpoint: ", slot_names.size(), " names for ", arena.slots(), " optimizer slots");
  }
  const std::string path = checkpoint_path(run_folder, state.step);
  make_writable_folder(checkpoint_folder(run_folder));
  remove_stale_temporaries(checkpoint_folder(run_folder), "step-");

  const size_t buffers = 1 + slot_names.size();
  const hdf5::Draft draft(path, arena.table().parameter_count() * sizeof(float) * buffers);
  const std::vector<Block> blocks = lay_out(draft, arena, slot_names, state);
  std::vector<hdf5::Region> holes;
  for (const Block& block : blocks) holes.push_back(block.region);

  const std::string temporary = temporary_beside(path);
  try {
    const FileDescriptor file = open_to_write(temporary, O_CREAT | O_TRUNC | O_RDWR, path);
    reserve_space(file, path, draft.size());
    draft.write_around(holes, file);
    for (const Block& block : blocks) {
      write_at(file, path, block.data.data(), block.data.size_bytes(), block.region.offset);
    }
    seal_checkpoint(file, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  commit_file(temporary, path);
  set_later_ones_aside(run_folder, state.step);
  return path;
}

CheckpointState read_checkpoint_state(const std::string& path) {
  verify_checkpoint(path);
  const hdf5::Session session;
  const hdf5::File file = hdf5::open_file(path);
  CheckpointState state;
  state.step = hdf5::read_int(file, "state", "step");
  state.samples = hdf5::read_int(file, "state", "samples");
  state.seed = hdf5::read_uint(file, "state", "seed");
  state.network = hdf5::read_text(file, "network");
  state.recipe = hdf5::read_text(file, "recipe");
  for (const std::string& name : hdf5::text_attributes(file, "state")) {
    state.notes[name] = hdf5::read_text(file, "state", name);
  }
  if (hdf5::exists(file, "mean_image")) state.mean_image = read_mean_image(file);
  return state;
}

void read_checkpoint_parameters(const std::string& path, const ParameterArena& arena,
                                const std::vector<std::string>& slot_names) {
  verify_checkpoint(path);
  const hdf5::Session session;
  const hdf5::File file = hdf5::open_file(path);
  if (!slot_names.empty()) check_slots(file, slot_names);
  read_weights(file, arena, Buffers::required);
  for (size_t i = 0; i < slot_names.size(); ++i) {
    read_slot(file, slot_group(slot_names[i]), arena, static_cast<int>(i));
  }
}

void read_initial_weights(const std::string& path, const ParameterArena& arena, Buffers buffers) {
  if (is_checkpoint(path)) verify_checkpoint(path);
  const hdf5::Session session;
  const hdf5::File file = hdf5::open_file(path);
  if (!hdf5::exists(file, "params")) {
    fail(ExitCode::data, path,
         ": has no /params; give a checkpoint, or an HDF5 file with /params/LAYER/weight and bias");
  }
  read_weights(file, arena, buffers);
}

}  // namespace convoy
