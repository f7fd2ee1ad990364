// Some steps of a run, layer by layer.
#include "launchers/run/profile.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/device/profiler.hpp"
#include "io/atomic_file.hpp"
#include "launchers/options/values.hpp"

namespace convoy {

namespace {

using Json = nlohmann::ordered_json;

/// What is summed, and what it is called.
constexpr std::pair<const char*, double StepReport::*> figures[] = {
    {"step", &StepReport::seconds},      {"input", &StepReport::input},       {"forward", &StepReport::forward},
    {"backward", &StepReport::backward}, {"exchange", &StepReport::exchange}, {"update", &StepReport::update},
    {"exposed", &StepReport::exposed},   {"refresh", &StepReport::refresh}};

}  // namespace

StepWindow parse_profile(const std::string& text) {
  if (text == "none") return {};
  const size_t dash = text.find('-', 1);
  const auto first = parse_integer(std::string_view(text).substr(0, dash));
  const auto last = dash == std::string::npos ? std::nullopt : parse_integer(std::string_view(text).substr(dash + 1));
  if (!first || !last || *first < 1 || *last < *first) {
    fail(ExitCode::usage, "profile ", text,
         ": expected FIRST-LAST, steps counted from 1, FIRST not after LAST, for example 20-29; or none");
  }
  return {.first = *first, .last = *last};
}

StepWindow profile_window(const std::string& text, int64_t steps) {
  const StepWindow window = parse_profile(text);
  if (window.last > steps) {
    fail(ExitCode::usage, "profile ", text, ": the run ends after step ", steps, "; choose steps up to that one");
  }
  return window;
}

void ProfileObserver::before_step(int64_t step) {
  if (!window_.contains(step) || !taken_.empty()) return;
  taken_ = {.first = step, .last = step};
  net_.start_timing();
  if (device_.on_host()) return;
  // What earlier steps queued is none of a profiler's business.
  device_.synchronize();
  start_profiler();
}

void ProfileObserver::on_step(const StepReport& report) {
  if (!window_.contains(report.step)) return;
  taken_.last = report.step;
  for (const auto& [name, figure] : figures) sum_.*figure += report.*figure;
  if (report.step < window_.last && !report.last) return;
  if (!device_.on_host()) {
    device_.synchronize();
    stop_profiler();
  }
  net_.stop_timing();
  const std::string path = folder_ + "/profile.json";
  worker_.on_leader([&] { write_file(path, json()); });
  console_.say(concat("profile of steps ", taken_.first, "-", taken_.last, ": ", path));
}

std::string ProfileObserver::json() const {
  Json seconds, layers = Json::array();
  for (const auto& [name, figure] : figures) seconds[name] = sum_.*figure;
  const std::vector<Node>& nodes = net_.graph().nodes;
  const std::vector<NodeSeconds> times = net_.seconds();
  const std::vector<std::string> algorithms = net_.algorithms();
  for (size_t i = 0; i < nodes.size(); ++i) {
    layers.push_back({{"name", nodes[i].name},
                      {"kind", nodes[i].kind},
                      {"forward", times[i].forward},
                      {"backward", times[i].backward},
                      {"algorithms", algorithms[i]}});
  }
  return Json{{"first", taken_.first},        {"last", taken_.last}, {"workers", worker_.size()},
              {"device", device_.describe()}, {"seconds", seconds},  {"layers", layers}}
             .dump(2) +
         "\n";
}

}  // namespace convoy
