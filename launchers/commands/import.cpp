// convoy import: bringing a dataset in.
#include "io/importers/import.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/options/values.hpp"

namespace convoy {
namespace {

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

void print_summary(const ImportSummary& summary) {
  std::printf("%s: %s images %s in %d %s, %lld classes, %s\n", summary.out.c_str(),
              with_commas(summary.samples).c_str(), summary.image.text().c_str(), summary.shards,
              summary.shards == 1 ? "shard" : "shards", static_cast<long long>(summary.classes),
              human_bytes(summary.bytes).c_str());
}

std::string json_of(const ImportSummary& summary) {
  const Shape& image = summary.image;
  return nlohmann::ordered_json{{"out", summary.out},
                                {"samples", summary.samples},
                                {"shards", summary.shards},
                                {"image", {image[0], image[1], image[2]}},
                                {"classes", summary.classes},
                                {"mean", summary.mean},
                                {"deviation", summary.deviation},
                                {"bytes", summary.bytes}}
      .dump();
}

}  // namespace

int run_import(const Arguments& arguments) {
  ImportOptions options;
  std::string classes;
  bool json = false;
  OptionSet set("convoy import", "idx IMAGES LABELS --out DIR [--shards N] [--classes FILE|a,b,c] [--json]",
                "Writes a dataset as HDF5 shards. idx: two files in MNIST's format, plain or gzipped.");
  set.text("out", options.out, "DIR", "the folder to make; it must not hold a dataset yet");
  set.integer("shards", options.shards, {.least = 0, .most = 100000}, "files to write; 0: one per 256 MiB");
  set.text("classes", classes, "FILE|a,b,c", "names of the classes: in a file, one a line, or between commas");
  set.flag("json", json, "print the result as one line of JSON");
  if (OptionSet::wants_help(arguments)) return show_help(set);

  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  const auto& words = flags.positional;
  if (words.empty() || words[0] != "idx") {
    fail(ExitCode::usage, words.empty() ? "convoy import" : words[0],
         ": say what kind of source it is; this version knows idx: convoy import idx IMAGES LABELS --out DIR");
  }
  if (words.size() != 3) {
    fail(ExitCode::usage, "convoy import idx: ", words.size() - 1,
         " files given; it takes two: IMAGES LABELS --out DIR");
  }
  if (options.out.empty()) fail(ExitCode::usage, "convoy import idx: --out is missing; give --out DIR");
  options.classes = read_classes(classes);
  const ImportSummary summary = import_idx(words[1], words[2], options);
  if (json) {
    std::puts(json_of(summary).c_str());
  } else {
    print_summary(summary);
  }
  return 0;
}

}  // namespace convoy
