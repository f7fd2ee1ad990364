// Lists of picture files: which count, their classes and their order.
#include "io/importers/listed_source.hpp"

#include <algorithm>
#include <cctype>

#include "core/base/error.hpp"

namespace convoy {
namespace {

/// The name by which a line of a list of classes names a folder. ImageNet's synset.txt has the folder's name as the
/// first word and what it means behind; where folders themselves have names of several words, a line is one name.
std::vector<std::string> folder_names(const std::vector<std::string>& lines, const std::vector<std::string>& folders) {
  const bool whole = std::ranges::any_of(folders, [](const auto& name) { return name.find(' ') != std::string::npos; });
  if (whole) return lines;
  std::vector<std::string> names;
  for (const std::string& line : lines) names.push_back(line.substr(0, line.find_first_of(" \t")));
  return names;
}

}  // namespace

std::string_view leaf_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string_view folder_part(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : path.substr(0, slash);
}

bool ListedSource::is_picture(std::string_view leaf, const std::string& shown) {
  if (leaf.starts_with("._")) {
    leave_out("what macOS puts beside files (._*)", shown);
    return false;
  }
  std::string lower(leaf);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower.ends_with(".jpg") || lower.ends_with(".jpeg") || lower.ends_with(".png")) return true;
  leave_out("not named .jpg, .jpeg or .png", shown);
  return false;
}

void ListedSource::add(const std::string& class_name, Entry entry) {
  const auto [place, is_new] = numbers_.try_emplace(class_name, static_cast<int32_t>(met_.size()));
  if (is_new) met_.push_back(class_name);
  entry.label = place->second;
  entries_.push_back(std::move(entry));
}

void ListedSource::settle(const std::vector<std::string>& class_list, const std::string& what) {
  if (entries_.empty()) {
    fail(ExitCode::data, what, ": holds no pictures in class folders (CLASS/*.jpg, .jpeg or .png)",
         left_out().empty() ? "" : concat(", but ", left_out().begin()->second.names.front()),
         "; check the path and the kind of source");
  }
  if (class_list.empty()) {
    classes_ = met_;
    std::ranges::sort(classes_);
  } else {
    classes_ = folder_names(class_list, met_);
  }
  class_count_ = static_cast<int64_t>(classes_.size());
  std::map<std::string, int32_t> labels;
  for (size_t i = 0; i < classes_.size(); ++i) {
    if (!labels.try_emplace(classes_[i], static_cast<int32_t>(i)).second) {
      fail(ExitCode::usage, "--classes: names ", classes_[i], " twice; name every class once");
    }
  }
  std::vector<int32_t> label_of;
  for (const std::string& name : met_) {
    const auto found = labels.find(name);
    if (found == labels.end()) {
      fail(ExitCode::data, what, ": has a class folder ", name, ", which is none of the ", classes_.size(),
           " classes of --classes; name it there, or take the folder away");
    }
    label_of.push_back(found->second);
  }
  for (Entry& entry : entries_) entry.label = label_of[static_cast<size_t>(entry.label)];

  const auto key = [](const Entry& e) { return std::tuple(e.label, std::string_view(e.name), e.archive); };
  std::ranges::stable_sort(entries_, {}, key);
  std::vector<Entry> kept;
  kept.reserve(entries_.size());
  for (Entry& entry : entries_) {
    if (!kept.empty() && key(kept.back()) == key(entry)) {
      leave_out("replaced by a later file of the same name", entry.name);
      kept.back() = std::move(entry);
    } else {
      kept.push_back(std::move(entry));
    }
  }
  entries_ = std::move(kept);
}

void ListedSource::identify(Hash& hash) const {
  hash.add(size());
  for (const std::string& name : classes_) hash.add(name);
  for (const Entry& e : entries_) {
    hash.add(leaf_of(e.name));
    hash.add(static_cast<int64_t>(e.bytes));
    hash.add(int64_t{e.label});
  }
}

ArchivedSource::ArchivedSource(const std::vector<SourceFile>& files) {
  for (const SourceFile& file : files) {
    FileDescriptor opened = open_to_read(file.path);
    const uint64_t bytes = size_of_file(opened, file.shown);
    if (bytes == 0) fail(ExitCode::data, file.shown, ": is empty; fetch it again");
    TarIndex index = index_tar(opened, file.shown, 0, bytes);
    if (!index.damage.empty()) damage_.push_back(index.damage);
    for (const std::string& link : index.links) leave_out_link(link);
    archives_.push_back({.shown = file.shown, .file = std::move(opened), .index = std::move(index)});
  }
}

std::string ArchivedSource::name(int64_t i) const {
  const Entry& e = entry(i);
  return concat(archives_[static_cast<size_t>(e.archive)].shown, ": ", e.name, " at byte ", e.offset);
}

void ArchivedSource::fetch(int64_t i, Sample& sample) const {
  const Entry& e = entry(i);
  const Archive& archive = archives_[static_cast<size_t>(e.archive)];
  sample.encoded.resize(e.bytes);
  const size_t got = read_at(archive.file, archive.shown, sample.encoded.data(), e.bytes, e.offset);
  if (got == e.bytes) return;
  fail(ExitCode::data, name(i), ": has ", e.bytes, " bytes, but the file ends after ", got, " of them; fetch it again");
}

}  // namespace convoy
