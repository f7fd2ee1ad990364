// convoy bench input: how fast images come, stage by stage, against this machine's own limits.
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/options/values.hpp"
#include "launchers/run/input_timing.hpp"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

std::string number(const char* format, double value) {
  std::array<char, 64> cell{};
  std::snprintf(cell.data(), cell.size(), format, value);
  return cell.data();
}

/// "256x256x3".
Shape parse_shape(const std::string& text) {
  std::vector<int64_t> dims;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('x', begin), text.size());
    dims.push_back(parse_integer(text.substr(begin, end - begin)).value_or(0));
    begin = end + 1;
  }
  const auto plausible = [](int64_t dim) { return dim >= 1 && dim <= 1 << 14; };
  if (dims.size() != 3 || !std::all_of(dims.begin(), dims.end(), plausible) || dims[2] > 4) {
    fail(ExitCode::usage, "made-up ", text, ": expected the size of the images, HxWxC, such as 256x256x3");
  }
  return {dims[0], dims[1], dims[2]};
}

Json json_of(const StageTiming& stage) {
  return {{"name", stage.name},
          {"images_per_second", stage.images_per_second},
          {"bytes_per_second", stage.bytes_per_second},
          {"of_limit", stage.of_limit}};
}

void print_json(const InputTimingOptions& options, const InputTiming& timing) {
  Json stages = Json::array();
  for (const StageTiming& stage : timing.stages) stages.push_back(json_of(stage));
  const Shape& image = timing.image;
  std::puts(Json{{"images", timing.images},
                 {"image", {image[0], image[1], image[2]}},
                 {"encoding", timing.encoding == Encoding::raw ? "raw" : "jpeg"},
                 {"stored_bytes", timing.stored_bytes},
                 {"held_in_memory", timing.held},
                 {"threads", timing.threads},
                 {"batch", options.batch},
                 {"order", options.shuffled ? "random" : "file"},
                 {"crop", options.crop},
                 {"limit", json_of(timing.limit)},
                 {"stages", stages}}
                .dump()
                .c_str());
}

void print_table(const InputTimingOptions& options, const InputTiming& timing) {
  const Shape& image = timing.image;
  const std::string size = image[0] > 0 ? image.text() : "of several sizes";
  std::printf("%s images %s, %s, %s%s; %d threads, batch %lld, %s order (medians of %d rounds)\n",
              with_commas(timing.images).c_str(), size.c_str(), timing.encoding == Encoding::raw ? "raw" : "encoded",
              human_bytes(timing.stored_bytes).c_str(), timing.held ? ", held in memory" : "", timing.threads,
              static_cast<long long>(options.batch), options.shuffled ? "random" : "file", options.rounds);
  constexpr auto right = Table::Align::right;
  Table table({{"stage"}, {"images/s", right}, {"GB/s", right}, {"of " + timing.limit.name, right}, {""}});
  const auto row = [&](const StageTiming& stage) {
    table.row({stage.name, with_commas(static_cast<int64_t>(stage.images_per_second)),
               number("%.2f", stage.bytes_per_second / 1e9), number("%.0f %%", 100 * stage.of_limit), stage.about});
  };
  row(timing.limit);
  for (const StageTiming& stage : timing.stages) row(stage);
  std::fputs(table.text().c_str(), stdout);
}

}  // namespace

int run_bench_input(const Arguments& arguments) {
  InputTimingOptions options;
  std::string made_up, order = "random", encoding = "raw";
  bool json = false;
  OptionSet set(
      "convoy bench input",
      "--data DIR | --made-up HxWxC [--images N] [--encoding raw|jpeg]\n"
      "       [--batch N] [--threads T] [--order random|file] [--crop S] [--seconds S] [--json]",
      "Times each stage between shards and the network: reading, comparing checksums, decoding, making floats.\n"
      "All threads run one stage at a time, a batch each; stages take turns, figures are medians. Reads come "
      "from\nthe page cache where the data fit it. GB/s are of bytes as stored.");
  set.text("data", options.data, "DIR", "a dataset");
  set.text("made-up", made_up, "HxWxC", "a dataset of made-up images instead, in $TMPDIR or /tmp while this runs");
  set.integer("images", options.made_up.images, {.least = 0, .most = 1e9}, "made-up ones; 0: 512 MiB of pixels");
  set.choice("encoding", encoding, {"raw", "jpeg"}, "of made-up images");
  set.integer("batch", options.batch, {.least = 1, .most = 1 << 20}, "images that a thread takes at once");
  set.integer("threads", options.threads, {.least = 0, .most = 4096}, "0: the cores this process may use");
  set.choice("order", order, {"random", "file"}, "of samples");
  set.integer("crop", options.crop, {.least = 0, .most = 1 << 14}, "raw: side of what becomes floats; 0: all of it");
  set.on_off("direct", options.direct, "read past the page cache (O_DIRECT)");
  set.number("seconds", options.seconds, {.least = 0, .most = 1e6}, "for each stage");
  set.integer("rounds", options.rounds, {.least = 1, .most = 1e6}, "that medians are taken over");
  set.flag("json", json, "print the answer as one line of JSON");
  if (OptionSet::wants_help(arguments)) return show_help(set);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  expect_no_words(flags, "convoy bench input");
  if (options.data.empty() == made_up.empty()) {
    fail(ExitCode::usage, "convoy bench input: give one of --data DIR and --made-up HxWxC");
  }
  options.shuffled = order == "random";
  options.made_up.encoding = encoding == "raw" ? Encoding::raw : Encoding::jpeg;
  if (!made_up.empty()) options.made_up.image = parse_shape(made_up);
  if (options.made_up.encoding == Encoding::jpeg && !made_up.empty() && options.made_up.image[2] % 2 == 0) {
    fail(ExitCode::usage, "made-up ", made_up, ": JPEGs have 1 or 3 channels");
  }
  const InputTiming timing = time_input(options);
  if (!timing.notice.empty()) std::fprintf(stderr, "%s\n", timing.notice.c_str());
  json ? print_json(options, timing) : print_table(options, timing);
  return 0;
}

}  // namespace convoy
