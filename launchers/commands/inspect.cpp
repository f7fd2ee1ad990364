// convoy inspect: what is in a dataset, a shard or a checkpoint.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/timer.hpp"
#include "core/graph/graph.hpp"
#include "io/checkpoint.hpp"
#include "io/shard/dataset.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/inspect_sample.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/options/values.hpp"
#include "launchers/run/console.hpp"
#include "launchers/run/cpus.hpp"
#include "launchers/run/progress_text.hpp"
#include "launchers/run/verify.hpp"

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

constexpr int64_t most_empty_classes = 100'000;

/// Images of each class; those without any are left out where a file claims very many that have no names.
std::map<int64_t, int64_t> histogram(const ShardHeader& header, const Shards& shards) {
  std::map<int64_t, int64_t> counts;
  if (!header.classes.empty() || header.class_count <= most_empty_classes) {
    for (int64_t i = 0; i < header.class_count; ++i) counts.emplace_hint(counts.end(), i, 0);
  }
  for (const ShardReader* shard : shards) {
    for (const int32_t label : shard->labels()) ++counts[label];
  }
  return counts;
}

std::string class_name(const ShardHeader& header, int64_t index) {
  const auto at = static_cast<size_t>(index);
  return at < header.classes.size() ? header.classes[at] : concat(index);
}

/// One line. A name of classes or layers may be in any encoding: what is not UTF-8 is replaced.
void print_json(const Json& json) {
  std::puts(json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

/// Reads every image. Throws Error(data), after a line for each of the first damaged images where there are several.
VerifyReport verify(const InspectOptions& options, const Shards& shards) {
  Console console(Voice::speaking);
  const Timer timer;
  const VerifyReport report = verify_images(shards, usable_cpus(), [&](const VerifyProgress& progress) {
    const double part = static_cast<double>(progress.bytes) / static_cast<double>(progress.all_bytes);
    const double seconds = timer.seconds();
    const double rate = static_cast<double>(progress.bytes) / seconds;
    console.live(concat("verified ", percent_text(part), ", ", human_bytes(static_cast<uint64_t>(rate)), "/s, ",
                        progress.damaged > 0 ? with_commas(progress.damaged) + " damaged images, " : "",
                        duration_text(seconds / part - seconds), " left"));
  });
  console.end_live();
  if (report.damaged == 1) fail(ExitCode::data, report.complaints.front());
  if (report.damaged > 1) {
    for (const std::string& complaint : report.complaints) console.say(complaint);
    const auto shown = static_cast<int64_t>(report.complaints.size());
    fail(ExitCode::data, options.path, ": ", with_commas(report.damaged), " of ", with_commas(report.images),
         " images are damaged", report.damaged > shown ? concat(" (the first ", shown, " are named above)") : "",
         "; copy their shards again from their source, or import the dataset again");
  }
  return report;
}

/// "256x256x3 uint8", "of several sizes (3 channels), JPEG or PNG".
std::string kind_text(const ShardHeader& header) {
  const std::string size =
      header.image[0] > 0 ? header.image.text() : concat("of several sizes (", header.image[2], " channels)");
  return header.encoding == Encoding::raw ? size + " " + name_of(header.dtype) : size + ", JPEG or PNG";
}

void print_dataset(const InspectOptions& options, const ShardHeader& header, const Shards& shards) {
  std::printf("%s: %s images %s in %zu %s, %s\n", options.path.c_str(), with_commas(count_of(shards)).c_str(),
              kind_text(header).c_str(), shards.size(), shards.size() == 1 ? "shard" : "shards",
              human_bytes(bytes_of(shards)).c_str());
  for (size_t channel = 0; channel < header.mean.size() && channel < header.deviation.size(); ++channel) {
    std::printf("channel %zu: mean %.4f, deviation %.4f\n", channel, header.mean[channel], header.deviation[channel]);
  }
  Table table({{"class"}, {"name"}, {"images", Table::Align::right}});
  for (const auto& [index, images] : histogram(header, shards)) {
    table.row({concat(index), class_name(header, index), with_commas(images)});
  }
  std::fputs(table.text().c_str(), stdout);
}

Json json_of(const InspectOptions& options, const ShardHeader& header, const Shards& shards) {
  Json classes = Json::array(), files = Json::array();
  for (const auto& [index, images] : histogram(header, shards)) {
    classes.push_back({{"name", class_name(header, index)}, {"images", images}});
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
          {"encoding", header.encoding == Encoding::raw ? "raw" : "jpeg"},
          {"classes", classes},
          {"mean", header.mean},
          {"deviation", header.deviation},
          {"dataset_id", header.dataset_id},
          {"bytes", bytes_of(shards)},
          {"shards", files}};
}

/// `header` is that of the whole dataset.
int inspect_shards(const InspectOptions& options, const ShardHeader& header, const Shards& shards) {
  VerifyReport report;
  if (options.verify) report = verify(options, shards);
  if (options.json) {
    Json json = json_of(options, header, shards);
    if (options.verify) {
      json["verified"] = true;
      json["compared"] = report.compared;  // all shards hold checksums
    }
    print_json(json);
    return static_cast<int>(ExitCode::ok);
  }
  print_dataset(options, header, shards);
  if (options.verify) {
    std::puts(report.compared ? "all images agree with their checksums"
                              : "all images can be read; not all shards hold checksums to compare with");
    if (header.encoding != Encoding::raw) std::puts("all images can be decoded");
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
  for (auto [key, value] : state.notes) {
    std::ranges::replace(value, '\n', ' ');  // names of classes stand one a line
    std::printf("%s: %s\n", key.c_str(), value.c_str());
  }
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
    print_json(json_of(options, state, graph));
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
  set.flag("verify", options.verify,
           "read every image, compare it with its checksum, and decode it where it is encoded");
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
    const Dataset dataset(options.path, {.held_bytes = 0});
    if (const std::string notice = dataset.notice(); !notice.empty()) std::fprintf(stderr, "%s\n", notice.c_str());
    Shards shards;
    for (const auto& shard : dataset.shards()) shards.push_back(shard.get());
    return inspect_shards(options, dataset.header(), shards);
  }
  const ShardReader shard(options.path);
  if (const std::string notice = shard.notice(); !notice.empty()) {
    std::fprintf(stderr, "%s: %s\n", options.path.c_str(), notice.c_str());
  }
  return inspect_shards(options, shard.header(), {&shard});
}

}  // namespace convoy
