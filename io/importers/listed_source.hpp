// What sources of picture files have in common: a list of files, each in the folder of its class.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/importers/source.hpp"
#include "io/importers/tar_index.hpp"
#include "io/posix_file.hpp"

namespace convoy {

class ListedSource : public SampleSource {
 public:
  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  bool encoded() const override { return true; }
  Shape image() const override { return {}; }
  bool by_class() const override { return true; }
  int32_t label(int64_t i) const override { return entry(i).label; }
  uint64_t bytes(int64_t i) const override { return entry(i).bytes; }
  void identify(Hash& hash) const override;

 protected:
  struct Entry {
    std::string name;  // with the folders that its source knows
    uint64_t offset = 0, bytes = 0;
    int32_t archive = 0;
    int32_t label = 0;  // before settle(): the number of its class in the order of meeting
  };
  const Entry& entry(int64_t i) const { return entries_[static_cast<size_t>(i)]; }

  /// Whether to import a file of this name, by its ending; otherwise it is counted among what is left out.
  bool is_picture(std::string_view leaf, const std::string& shown);
  void add(const std::string& class_name, Entry entry);
  /// After the last add(): numbers the classes as `class_list` does or by their sorted names, and sorts by class and
  /// name. A name that came twice in one archive counts once, as in unpacking it: the later one. `what` is named in
  /// messages.
  void settle(const std::vector<std::string>& class_list, const std::string& what);

  std::vector<Entry> entries_;

 private:
  std::vector<std::string> met_;
  std::map<std::string, int32_t> numbers_;
};

/// Pictures that are members of uncompressed tar archives.
class ArchivedSource : public ListedSource {
 public:
  explicit ArchivedSource(const std::vector<SourceFile>& files);
  std::string name(int64_t i) const override;
  void fetch(int64_t i, Sample& sample) const override;

 protected:
  struct Archive {
    std::string shown;
    FileDescriptor file;
    TarIndex index;
  };
  std::vector<Archive> archives_;
};

/// What follows the last '/'.
std::string_view leaf_of(std::string_view path);
/// What comes before it, or "".
std::string_view folder_part(std::string_view path);

}  // namespace convoy
