// convoy inspect: what is in a dataset, a shard or a checkpoint.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/graph/graph.hpp"
#include "io/checkpoint.hpp"
#include "io/dataset.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/inspect_sample.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/options/values.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Shards = std::vector<const ShardReader*>;

struct InspectOptions {
  std::string path;
  bool verify = false;
  bool json = false;
};

int64_t count_of(const Shards& shards) {
  int64_t count = 0;
  for (const ShardReader* shard : shards) count += shard->header().count;
  return count;
}

uint64_t bytes_of(const Shards& shards) {
  uint64_t bytes = 0;
  for (const ShardReader* shard : shards) bytes += fs::file_size(shard->path());
  return bytes;
}

std::vector<int64_t> histogram(const Shards& shards) {
  std::vector<int64_t> counts(static_cast<size_t>(shards.front()->header().class_count));
  for (const ShardReader* shard : shards) {
    for (const int32_t label : shard->labels()) {
      if (label >= 0 && static_cast<size_t>(label) < counts.size()) ++counts[static_cast<size_t>(label)];
    }
  }
  return counts;
}

std::string class_name(const ShardHeader& header, size_t index) {
  return index < header.classes.size() ? header.classes[index] : concat(index);
}

/// Reads every image. Throws Error(data) for the first that is damaged, telling how many more there are.
void verify_images(const Shards& shards) {
  std::string first;
  int64_t more = -1;
  for (const ShardReader* shard : shards) {
    const ShardHeader& header = shard->header();
    std::vector<std::byte> image(static_cast<size_t>(header.image.count()) * size_of(header.dtype));
    for (int64_t row = 0; row < header.count; ++row) {
      try {
        shard->read(row, image.data());
      } catch (const Error& error) {
        if (++more == 0) first = error.what();
      }
    }
  }
  if (more == 0) fail(ExitCode::data, first);
  if (more > 0) fail(ExitCode::data, first, " (and ", more, " more damaged images)");
}

void print_dataset(const InspectOptions& options, const Shards& shards) {
  const ShardHeader& header = shards.front()->header();
  std::printf("%s: %s images %s %s in %zu %s, %s\n", options.path.c_str(), with_commas(count_of(shards)).c_str(),
              header.image.text().c_str(), name_of(header.dtype), shards.size(),
              shards.size() == 1 ? "shard" : "shards", human_bytes(bytes_of(shards)).c_str());
  for (size_t channel = 0; channel < header.mean.size() && channel < header.deviation.size(); ++channel) {
    std::printf("channel %zu: mean %.4f, deviation %.4f\n", channel, header.mean[channel], header.deviation[channel]);
  }
  Table table({{"class"}, {"name"}, {"images", Table::Align::right}});
  const std::vector<int64_t> counts = histogram(shards);
  for (size_t i = 0; i < counts.size(); ++i) table.row({concat(i), class_name(header, i), with_commas(counts[i])});
  std::fputs(table.text().c_str(), stdout);
}

Json json_of(const InspectOptions& options, const Shards& shards) {
  const ShardHeader& header = shards.front()->header();
  Json classes = Json::array(), files = Json::array();
  const std::vector<int64_t> counts = histogram(shards);
  for (size_t i = 0; i < counts.size(); ++i) {
    classes.push_back({{"name", class_name(header, i)}, {"images", counts[i]}});
  }
  for (const ShardReader* shard : shards) {
    files.push_back({{"path", shard->path()},
                     {"samples", shard->header().count},
                     {"bytes", fs::file_size(shard->path())},
                     {"checksums", shard->has_checksums()}});
  }
  return {{"kind", "dataset"},
          {"path", options.path},
          {"samples", count_of(shards)},
          {"image", {header.image[0], header.image[1], header.image[2]}},
          {"dtype", name_of(header.dtype)},
          {"classes", classes},
          {"mean", header.mean},
          {"deviation", header.deviation},
          {"dataset_id", header.dataset_id},
          {"bytes", bytes_of(shards)},
          {"shards", files}};
}

int inspect_shards(const InspectOptions& options, const Shards& shards) {
  if (options.verify) verify_images(shards);
  if (options.json) {
    Json json = json_of(options, shards);
    if (options.verify) json["verified"] = true;
    std::puts(json.dump().c_str());
    return static_cast<int>(ExitCode::ok);
  }
  print_dataset(options, shards);
  if (options.verify) {
    const bool compared = std::all_of(shards.begin(), shards.end(), [](const auto* s) { return s->has_checksums(); });
    std::puts(compared ? "all images agree with their checksums"
                       : "all images can be read; not all shards hold checksums to compare with");
  }
  return static_cast<int>(ExitCode::ok);
}

Json json_of(const InspectOptions& options, const CheckpointState& state, const Graph& graph) {
  const SegmentTable table = graph.segments();
  Json parameters = Json::array();
  for (const Segment& segment : table.segments()) {
    Json shape = Json::array();
    for (int i = 0; i < segment.shape.rank(); ++i) shape.push_back(segment.shape[i]);
    parameters.push_back({{"name", segment.name}, {"shape", shape}, {"count", segment.count}});
  }
  return {{"kind", "checkpoint"},
          {"path", options.path},
          {"step", state.step},
          {"samples", state.samples},
          {"seed", state.seed},
          {"notes", state.notes},
          {"parameters", parameters},
          {"parameter_count", table.parameter_count()},
          {"bytes", fs::file_size(options.path)},
          {"network", state.network},
          {"recipe", state.recipe}};
}

void print_checkpoint(const InspectOptions& options, const CheckpointState& state, const Graph& graph) {
  const SegmentTable table = graph.segments();
  std::printf("%s: checkpoint of step %s, %s samples seen, seed %llu, %s\n", options.path.c_str(),
              with_commas(state.step).c_str(), with_commas(state.samples).c_str(),
              static_cast<unsigned long long>(state.seed), human_bytes(fs::file_size(options.path)).c_str());
  for (const auto& [key, value] : state.notes) std::printf("%s: %s\n", key.c_str(), value.c_str());
  Table parameters({{"parameter"}, {"shape"}, {"count", Table::Align::right}});
  for (const Segment& segment : table.segments()) {
    parameters.row({segment.name, segment.shape.text(), with_commas(static_cast<int64_t>(segment.count))});
  }
  parameters.row({"all", "", with_commas(static_cast<int64_t>(table.parameter_count()))});
  std::fputs(parameters.text().c_str(), stdout);
  std::puts("the file agrees with its checksum");
}

int inspect_checkpoint(const InspectOptions& options) {
  // Nothing of a checkpoint is believed before its checksum has been verified, so --verify asks for nothing more.
  const CheckpointState state = read_checkpoint_state(options.path);
  const Graph graph = build_graph(parse_network(state.network, options.path + " (network)"));
  if (options.json) {
    std::puts(json_of(options, state, graph).dump().c_str());
  } else {
    print_checkpoint(options, state, graph);
  }
  return static_cast<int>(ExitCode::ok);
}

bool is_checkpoint(const std::string& path) {
  const std::string mark = "convoy checkpoint ";
  std::string start(mark.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  return start == mark;
}

/// A run folder stands for its newest checkpoint.
std::string checkpoint_of_run(const std::string& folder) {
  std::vector<std::string> notices;
  const std::string newest = newest_whole_checkpoint(folder, notices);
  for (const std::string& notice : notices) std::fprintf(stderr, "%s\n", notice.c_str());
  if (newest.empty())
    fail(ExitCode::data, folder, ": a run folder without a whole checkpoint; there is nothing to show");
  return newest;
}

}  // namespace

int run_inspect(const Arguments& arguments) {
  InspectOptions options;
  InspectSample sample;
  OptionSet set("convoy inspect", "PATH [--verify] [--json] | DIR --sample N --out FILE.png [--augment RECIPE]",
                "Tells what is in a dataset's folder, one shard, a checkpoint, or a run folder's newest checkpoint.");
  set.flag("verify", options.verify, "read every image and compare it with its checksum");
  set.flag("json", options.json, "print the answer as one line of JSON");
  set.integer("sample", sample.count, {.least = 1, .most = 10'000},
              "draw the first so many images of a run, as the network sees them (default none)");
  set.text("augment", sample.augment, "RECIPE.cfg|T[, T..]",
           "changed by a recipe's augment, or by these (default none)");
  set.text("out", sample.out, "FILE.png", "the grid of --sample's images");
  if (OptionSet::wants_help(arguments)) return show_help(set);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  if (flags.positional.size() != 1)
    fail(ExitCode::usage, "convoy inspect: give one PATH: a dataset, shard or checkpoint");
  options.path = flags.positional.front();
  if (sample.count > 0) return inspect_sample(options.path, sample);
  if (!sample.augment.empty() || !sample.out.empty()) {
    fail(ExitCode::usage, "convoy inspect: --augment and --out belong to --sample N; give that too");
  }

  std::error_code ignored;
  if (fs::is_directory(options.path + "/checkpoints", ignored)) options.path = checkpoint_of_run(options.path);
  if (is_checkpoint(options.path)) return inspect_checkpoint(options);
  if (fs::is_directory(options.path, ignored)) {
    const Dataset dataset(options.path);
    Shards shards;
    for (const auto& shard : dataset.shards()) shards.push_back(shard.get());
    return inspect_shards(options, shards);
  }
  const ShardReader shard(options.path);
  return inspect_shards(options, {&shard});
}

}  // namespace convoy
