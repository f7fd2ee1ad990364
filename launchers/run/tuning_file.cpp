// Measured choices of algorithms between processes.
#include "launchers/run/tuning_file.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/atomic_file.hpp"

namespace convoy {

namespace {

namespace fs = std::filesystem;

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace

std::string tuning_machine(const Device& device) {
  // The number of threads is in every key already.
  std::string text = device.describe();
  const size_t word = text.find(" thread");
  if (word != std::string::npos) text.erase(text.rfind(", ", word), text.find(", ", word) - text.rfind(", ", word));
  return concat(processor(), "; ", text, "; convoy ", CONVOY_VERSION);
}

std::string tuning_json(const Tuning& tuning, const std::string& machine, Choices which) {
  nlohmann::ordered_json choices = nlohmann::ordered_json::object();
  for (const auto& [key, entry] : tuning.entries()) {
    if (entry.used || which == Choices::all) choices[key] = {{"choice", entry.choice}, {"seconds", entry.seconds}};
  }
  return nlohmann::ordered_json{{"machine", machine}, {"choices", choices}}.dump(1) + "\n";
}

void take_choices(const std::string& json, const std::string& source, Tuning& tuning) {
  try {
    const nlohmann::json parsed = nlohmann::json::parse(json);
    for (const auto& [key, entry] : parsed.at("choices").items()) {
      tuning.keep(key, entry.at("choice").get<std::string>(), entry.at("seconds").get<std::map<std::string, double>>());
    }
  } catch (const nlohmann::json::exception&) {
    fail(ExitCode::data, source, ": not a table of measured choices; remove the file, and they are measured again");
  }
}

bool read_tuning(const std::string& path, Tuning& tuning) {
  std::ifstream file(path);
  if (!file) return false;
  std::ostringstream text;
  text << file.rdbuf();
  take_choices(text.str(), path, tuning);
  return true;
}

std::string tuning_cache_path(const std::string& machine) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache && *cache) {
    folder = cache;
  } else if (home && *home) {
    folder = fs::path(home) / ".cache";
  } else {
    return "";
  }
  char name[32];
  std::snprintf(name, sizeof name, "tuning-%08x.json", crc32c(machine.data(), machine.size()));
  return (folder / "convoy" / name).string();
}

void read_tuning_cache(const std::string& machine, Tuning& tuning) {
  Tuning cached;
  try {
    read_tuning(tuning_cache_path(machine), cached);
  } catch (const Error&) {
    return;
  }
  for (const auto& [key, entry] : cached.entries()) tuning.keep(key, entry.choice, entry.seconds);
}

void write_tuning_cache(const std::string& machine, const Tuning& tuning) {
  const std::string path = tuning_cache_path(machine);
  if (path.empty()) return;
  try {
    // Another run may have added to it since it was read; what stands there first stays.
    Tuning cached, all = tuning;
    read_tuning_cache(machine, cached);
    for (const auto& [key, entry] : cached.entries()) all.keep(key, entry.choice, entry.seconds);
    fs::create_directories(fs::path(path).parent_path());
    write_file(path, tuning_json(all, machine, Choices::all));
  } catch (const std::exception&) {
    return;  // measured again next time
  }
}

}  // namespace convoy
