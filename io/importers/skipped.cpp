// Lists of samples left out.
#include "io/importers/skipped.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "core/base/error.hpp"
#include "io/atomic_file.hpp"

namespace convoy {
namespace {

std::string list_of_shard(const std::string& folder, int shard) {
  return concat(folder, "/.skipped-", shard, ".txt");
}

/// Names may hold anything; a line is a line, and its first tab is ours.
std::string on_one_line(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
  return text;
}

std::string line_of(const Skipped& one) {
  return on_one_line(one.name) + "\t" + on_one_line(one.reason);
}

void read_list(const std::string& path, std::vector<std::string>& lines) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
}

}  // namespace

std::string reason_of(const std::string& message, const std::string& name) {
  const std::string front = name + ": ";
  const size_t begin = message.starts_with(front) ? front.size() : 0;
  return message.substr(begin, message.rfind("; ") - begin);
}

std::vector<SkippedGroup> group_skipped(const std::vector<Skipped>& skipped) {
  constexpr size_t shown = 3;
  std::vector<SkippedGroup> groups;
  std::map<std::string, size_t> places;
  for (const Skipped& one : skipped) {
    std::string key;
    for (const char c : one.reason) {
      const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
      if (!digit || key.empty() || key.back() != '0') key += digit ? '0' : c;
    }
    const auto [place, is_new] = places.try_emplace(key, groups.size());
    if (is_new) groups.push_back({.reason = one.reason});
    SkippedGroup& group = groups[place->second];
    ++group.count;
    if (group.names.size() < shown) group.names.push_back(one.name);
  }
  return groups;
}

void save_skipped_of_shard(const std::string& folder, int shard, const std::vector<Skipped>& skipped) {
  const std::string path = list_of_shard(folder, shard);
  if (skipped.empty()) {
    unlink(path.c_str());
    return;
  }
  std::string text;
  for (const Skipped& one : skipped) text += line_of(one) + "\n";
  write_file(path, text);
}

void forget_skipped(const std::string& folder) {
  std::error_code ignored;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool of_shard = name.starts_with(".skipped-") && name.ends_with(".txt");
    if (of_shard || name == "skipped.txt") paths.push_back(entry.path().string());
  }
  for (const std::string& path : paths) unlink(path.c_str());
}

std::vector<Skipped> gather_skipped(const std::string& folder, int shards, const std::vector<std::string>& damage) {
  const std::string path = folder + "/skipped.txt";
  std::vector<std::string> lines;
  read_list(path, lines);
  const size_t before = lines.size();
  for (int shard = 0; shard < shards; ++shard) read_list(list_of_shard(folder, shard), lines);
  std::set<std::string> of_archives;
  for (const std::string& text : damage) {
    const size_t colon = std::min(text.find(": "), text.size());
    const std::string reason = text.substr(std::min(colon + 2, text.size()));
    of_archives.insert(line_of({.name = text.substr(0, colon), .reason = reason}));
  }
  lines.insert(lines.end(), of_archives.begin(), of_archives.end());
  std::set<std::string> seen;
  std::erase_if(lines, [&](const std::string& line) { return !seen.insert(line).second; });
  if (lines.size() > before) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    write_file(path, text);
  }
  for (int shard = 0; shard < shards; ++shard) unlink(list_of_shard(folder, shard).c_str());

  std::vector<Skipped> skipped;
  for (const std::string& line : lines) {
    if (of_archives.contains(line)) continue;
    const size_t tab = line.find('\t');
    skipped.push_back({.name = line.substr(0, tab), .reason = tab == std::string::npos ? "" : line.substr(tab + 1)});
  }
  return skipped;
}

}  // namespace convoy
