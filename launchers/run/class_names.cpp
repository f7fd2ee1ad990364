#include "launchers/run/class_names.hpp"

#include <algorithm>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

constexpr size_t longest_note = 60'000;  // HDF5 keeps attributes of up to 64 KiB

std::vector<std::string> lines_of(const std::string& note) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= note.size();) {
    const size_t end = std::min(note.find('\n', begin), note.size());
    lines.push_back(note.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

std::string class_note(const std::vector<std::string>& names) {
  std::string note = join(names, "\n");
  if (note.size() <= longest_note) return note;
  return concat(names.size(), " names, CRC32C ", crc32c(note.data(), note.size()));
}

void check_same_classes(const std::string& key, const std::string& folder, const std::vector<std::string>& names,
                        const std::string& origin, const std::string& note) {
  if (names.empty() || note.empty() || class_note(names) == note) return;
  const char* remedy = "; import both with the same --classes FILE";
  if (join(names, "\n").size() > longest_note) {
    fail(ExitCode::usage, key, " ", folder, ": its classes are not those of ", origin, ", or in another order", remedy);
  }
  const std::vector<std::string> others = lines_of(note);
  const auto [a, b] = std::ranges::mismatch(names, others);
  const auto name = [](auto at, const auto& all) { return at == all.end() ? "nothing" : "'" + *at + "'"; };
  fail(ExitCode::usage, key, " ", folder, ": class ", a - names.begin(), " is ", name(a, names), ", in ", origin,
       " it is ", name(b, others), remedy);
}

}  // namespace convoy
