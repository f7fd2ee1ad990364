// convoy import: bringing a dataset in, by one worker or by all that were started.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/options/values.hpp"
#include "launchers/run/import_run.hpp"
#include "launchers/run/progress_text.hpp"
#include "launchers/run/signals.hpp"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

struct ImportArguments {
  SourceOptions source;
  ImportOptions options;
  std::string classes, size, encoding = "raw", shuffle = "auto", on_error = "stop";
  int64_t seed = 1;
  double timeout = 60;
  bool json = false;
};

OptionSet import_option_set(ImportArguments& a) {
  OptionSet set(
      "convoy import", "KIND SRC... --out DIR [--key value]... [--json]",
      "Writes a dataset as HDF5 shards, alone or as several workers (mpirun -np N convoy import ...). A second\n"
      "call goes on with what the first one has left. Kinds of sources:\n"
      "  idx IMAGES LABELS   two files in MNIST's format, plain or gzipped\n"
      "  cifar SRC...        CIFAR-10 or CIFAR-100, binary version: .bin files, their folder, or the .tar.gz\n"
      "  folder DIR...       pictures as DIR/CLASS/*.jpg, .jpeg or .png\n"
      "  tar FILE...         the same in a .tar or .tar.gz\n"
      "  imagenet FILE       ILSVRC2012_img_train.tar, or ILSVRC2012_img_val.tar with --labels\n"
      "  hdf5 DIR|FILE       whatever opens as a dataset, for other options or faster shards");
  set.text("out", a.options.out, "DIR", "the folder to make; it must not hold another dataset");
  set.integer("shards", a.options.shards, {.least = 0, .most = 100000}, "files to write; 0: one per 256 MiB");
  set.text("classes", a.classes, "FILE|a,b,c",
           "names of the classes: in a file, one a line, or between commas; of folders the first word counts");
  set.choice("encoding", a.encoding, {"raw", "jpeg"}, "pixels, all of one size; jpeg: the files as they are");
  set.text("size", a.size, "S|HxW",
           "raw: the shorter side becomes S, and the middle SxS (or HxW) stays; jpeg: the shorter side becomes S");
  set.integer("channels", a.options.channels, {.least = 0, .most = 3},
              "1: grey; 3: RGB; 0: RGB, or as the pixels have");
  set.integer("quality", a.options.quality, {.least = 1, .most = 100}, "of JPEGs that are encoded anew");
  set.choice("shuffle", a.shuffle, {"auto", "on", "off"}, "over all shards; auto: where a source lies class by class");
  set.integer("seed", a.seed, {.least = 0, .most = 9e15}, "of shuffling");
  set.choice("on-error", a.on_error, {"stop", "skip"},
             "at a broken picture; what is skipped is named in DIR/skipped.txt");
  set.text("part", a.source.part, "NAME",
           "cifar: train (default) or test; tar: the folder that holds the class folders");
  set.text("labels", a.source.labels, "FILE|fine|coarse",
           "imagenet: labels of the pictures in the order of their names, a line each: a class, or its number in "
           "--classes from 1; CIFAR-100: which labels (fine)");
  set.integer("threads", a.options.threads, {.least = 0, .most = 4096},
              "of one worker; 0: its share of the cores it may use");
  set.number("timeout", a.timeout, {.least = 1}, "seconds of silence after which another worker is given up");
  set.flag("json", a.json, "print the result as one line of JSON");
  return set;
}

/// Names between commas, or one a line in a file.
std::vector<std::string> read_classes(const std::string& classes) {
  if (classes.empty()) return {};
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(classes, ignored)) {
    if (classes.find(',') != std::string::npos) return split_commas(classes);
    fail(ExitCode::usage, "--classes ", classes, ": neither a file nor names between commas");
  }
  std::ifstream file(classes);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names;
}

void read_size(const std::string& size, ImportOptions& options) {
  if (size.empty()) return;
  const size_t cross = size.find('x');
  const auto height = parse_integer(size.substr(0, cross));
  const auto width = cross == std::string::npos ? std::optional<int64_t>(0) : parse_integer(size.substr(cross + 1));
  constexpr int64_t most = 16384;
  if (!height || !width || *height < 1 || *height > most || *width < (cross == std::string::npos ? 0 : 1) ||
      *width > most) {
    fail(ExitCode::usage, "--size ", size, ": expected one number or HEIGHTxWIDTH, from 1 to ", most, " pixels");
  }
  options.height = *height;
  options.width = *width;
}

void read_source(const std::vector<std::string>& words, SourceOptions& source) {
  if (words.empty()) {
    fail(ExitCode::usage, "convoy import: say what kind of source it is, one of ", join(source_kinds(), ", "),
         ": convoy import folder SRC --out DIR");
  }
  source.kind = words[0];
  for (size_t i = 1; i < words.size(); ++i) source.files.push_back({.shown = words[i], .path = words[i]});
  check_source_options(source);
}

ImportArguments parse_import_arguments(const Arguments& arguments) {
  ImportArguments a;
  a.options.threads = 0;
  OptionSet set = import_option_set(a);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  read_source(flags.positional, a.source);
  if (a.options.out.empty()) {
    fail(ExitCode::usage, "convoy import ", a.source.kind, ": --out is missing; give --out DIR");
  }
  if (a.options.channels == 2) fail(ExitCode::usage, "--channels 2: expected 1, 3 or 0");
  a.source.class_list = read_classes(a.classes);
  read_size(a.size, a.options);
  a.options.encoding = a.encoding == "jpeg" ? Encoding::jpeg : Encoding::raw;
  if (a.options.encoding == Encoding::raw && flags.find("quality")) {
    fail(ExitCode::usage, "--quality: raw pixels have none; leave it out, or give --encoding jpeg");
  }
  a.options.shuffle = a.shuffle == "on"    ? ImportShuffle::on
                      : a.shuffle == "off" ? ImportShuffle::off
                                           : ImportShuffle::by_source;
  a.options.seed = static_cast<uint64_t>(a.seed);
  a.options.on_error = a.on_error == "skip" ? OnError::skip : OnError::stop;
  return a;
}

const char* plural(int64_t count, const char* one, const char* many) {
  return count == 1 ? one : many;
}

void print_summary(const ImportResult& result) {
  const ImportSummary& s = result.summary;
  const bool alike = s.image[0] > 0;
  std::printf("%s: %s images %s%s in %d %s, %lld classes, %s\n", s.out.c_str(), with_commas(s.samples).c_str(),
              alike ? s.image.text().c_str() : "of several sizes", s.encoding == Encoding::jpeg ? " (JPEG)" : "",
              s.shards, plural(s.shards, "shard", "shards"), static_cast<long long>(s.classes),
              human_bytes(s.bytes).c_str());
  if (s.shards > 1) {
    const auto [least, most] = std::ranges::minmax(s.shard_bytes);
    std::printf("  a shard: %s to %s\n", human_bytes(least).c_str(), human_bytes(most).c_str());
  }
  if (result.made > 0) {
    std::printf("  %s in %s, %s\n", with_commas(result.made).c_str(), duration_text(result.seconds).c_str(),
                rate_text(static_cast<double>(result.made) / result.seconds).c_str());
  }
  if (s.unseen_classes > 0) {
    std::printf("  %lld of the %lld classes have no image\n", static_cast<long long>(s.unseen_classes),
                static_cast<long long>(s.classes));
  }
  for (const std::string& damage : s.damage) std::printf("  %s\n", damage.c_str());
  for (const SkippedGroup& group : group_skipped(s.skipped)) {
    std::printf("  skipped %s: %s: %s%s\n", with_commas(static_cast<int64_t>(group.count)).c_str(),
                group.reason.c_str(), join(group.names, ", ").c_str(), group.count > group.names.size() ? ", ..." : "");
  }
  if (!s.skipped.empty() || !s.damage.empty())
    std::printf("  all that was skipped is named in %s/skipped.txt\n", s.out.c_str());
  for (const auto& [reason, group] : s.left_out) {
    std::printf("  left out %s: %s: %s%s\n", with_commas(group.count).c_str(), reason.c_str(),
                join(group.names, ", ").c_str(), std::cmp_greater(group.count, group.names.size()) ? ", ..." : "");
  }
}

std::string json_of(const ImportResult& result) {
  const ImportSummary& s = result.summary;
  Json skipped = Json::array(), left_out = Json::array();
  for (const SkippedGroup& group : group_skipped(s.skipped)) {
    skipped.push_back({{"reason", group.reason}, {"count", group.count}, {"names", group.names}});
  }
  for (const auto& [reason, group] : s.left_out) {
    left_out.push_back({{"reason", reason}, {"count", group.count}, {"names", group.names}});
  }
  return Json{{"out", s.out},
              {"samples", s.samples},
              {"shards", s.shards},
              {"image", {s.image[0], s.image[1], s.image[2]}},
              {"classes", s.classes},
              {"mean", s.mean},
              {"deviation", s.deviation},
              {"bytes", s.bytes},
              {"encoding", s.encoding == Encoding::jpeg ? "jpeg" : "raw"},
              {"shards_kept", s.kept},
              {"shard_bytes", s.shard_bytes},
              {"unseen_classes", s.unseen_classes},
              {"skipped", s.skipped.size()},
              {"skipped_for", skipped},
              {"left_out", left_out},
              {"damage", s.damage},
              {"seconds", result.seconds},
              {"images_per_second", result.seconds > 0 ? static_cast<double>(result.made) / result.seconds : 0}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

int run_import(const Arguments& arguments) {
  if (OptionSet::wants_help(arguments)) {
    ImportArguments defaults;
    return launched_rank() == 0 ? show_help(import_option_set(defaults)) : 0;
  }
  const ImportArguments a = parse_import_arguments(arguments);
  Console console(launched_rank() == 0 ? Voice::speaking : Voice::silent);
  ImportProgress progress;
  const StopSignals signals([&](const std::string& name) {
    progress.stop = true;
    console.say(name + ": stopping; whole shards stay, and the same command goes on with them");
  });
  Worker worker({.timeout = std::chrono::duration<double>(a.timeout)});
  return worker.guard([&] {
    const ImportResult result = run_import_job(worker, console, a.source, a.options, progress);
    if (!worker.leader()) return 0;
    if (a.json) {
      std::puts(json_of(result).c_str());
    } else {
      print_summary(result);
    }
    return 0;
  });
}

}  // namespace convoy
