// ImageNet's tars as published: ILSVRC2012_img_train.tar, which holds one tar for each class, and
// ILSVRC2012_img_val.tar, whose pictures have their labels in a file of their own. Both are read where they lie.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

#include "core/base/error.hpp"
#include "io/importers/listed_source.hpp"

namespace convoy {
namespace {

class ImagenetSource : public ArchivedSource {
 public:
  explicit ImagenetSource(const SourceOptions& options);

 private:
  void take_classes(const Archive& archive, const SourceOptions& options);
  void take_labelled(const Archive& archive, const SourceOptions& options);
};

bool is_tar(const TarMember& member) {
  return member.name.ends_with(".tar") && !leaf_of(member.name).starts_with("._");
}

std::vector<std::string> read_lines(const std::string& path) {
  open_to_read(path);  // for its messages
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    lines.push_back(line);
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::string first_word(const std::string& line) {
  return line.substr(0, line.find_first_of(" \t"));
}

/// The class that a line of the file of labels names: itself, or the class of that number.
std::string class_of(const std::string& line, size_t number, const SourceOptions& options,
                     const std::set<std::string>& known) {
  const auto refuse = [&](const auto&... why) { fail(ExitCode::data, options.labels, ": line ", number, " ", why...); };
  if (line.empty() || line.find_first_of(" \t,") != std::string::npos) {
    refuse("is \"", line.substr(0, 40), "\"; a line is one number, 1 to the number of classes, or one class");
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc{} || end != line.data() + line.size()) {
    if (!known.empty() && !known.contains(line)) {
      refuse("is \"", line, "\", which is none of the ", known.size(), " classes of --classes; correct either");
    }
    return line;
  }
  if (options.class_list.empty()) {
    fail(ExitCode::usage, options.labels,
         ": holds numbers; tell by --classes FILE which classes they count, one a line "
         "(in ILSVRC's own order for ILSVRC2012_validation_ground_truth.txt)");
  }
  if (value < 1 || std::cmp_greater(value, options.class_list.size())) {
    refuse("is ", value, ", outside 1 to ", options.class_list.size(), ", the classes of --classes; correct either");
  }
  return first_word(options.class_list[static_cast<size_t>(value - 1)]);
}

ImagenetSource::ImagenetSource(const SourceOptions& options) : ArchivedSource(options.files) {
  Archive& archive = archives_.front();
  const bool of_tars = std::ranges::any_of(archive.index.members, is_tar);
  if (of_tars && !options.labels.empty()) {
    fail(ExitCode::usage, archive.shown, ": holds a tar for each class, which tell the labels; leave out --labels");
  }
  if (of_tars) {
    take_classes(archive, options);
  } else {
    take_labelled(archive, options);
  }
  archive.index = {};
  settle(options.class_list, archive.shown);
}

void ImagenetSource::take_classes(const Archive& archive, const SourceOptions&) {
  for (const TarMember& outer : archive.index.members) {
    if (!is_tar(outer)) {
      leave_out("beside the tars of classes", outer.name);
      continue;
    }
    const std::string class_name(leaf_of(outer.name).substr(0, leaf_of(outer.name).size() - 4));
    const std::string shown = archive.shown + ": " + outer.name;
    TarIndex inner;
    try {
      inner = index_tar(archive.file, shown, outer.offset, outer.bytes);
    } catch (const Error& error) {  // the other classes may be whole
      const std::string said = error.what();
      inner.damage = said.substr(0, said.rfind("; "));
    }
    if (!inner.damage.empty()) damage_.push_back(inner.damage);
    for (const std::string& link : inner.links) leave_out_link(concat(class_name, ".tar/", link));
    for (TarMember& member : inner.members) {
      member.name = concat(class_name, ".tar/", member.name);
      if (is_picture(leaf_of(member.name), member.name)) {
        add(class_name, {.name = std::move(member.name), .offset = member.offset, .bytes = member.bytes});
      }
    }
  }
}

void ImagenetSource::take_labelled(const Archive& archive, const SourceOptions& options) {
  std::vector<TarMember> pictures;
  for (const TarMember& member : archive.index.members) {
    if (is_picture(leaf_of(member.name), member.name)) pictures.push_back(member);
  }
  if (options.labels.empty()) {
    fail(ExitCode::usage, archive.shown,
         ": holds no tars of classes, so it is taken for the pictures of validation; "
         "give their labels by --labels FILE, or import class folders by `convoy import tar`");
  }
  const std::vector<std::string> lines = read_lines(options.labels);
  // Labels go by the sorted names of all pictures: with one missing, those after it would get wrong ones.
  if (lines.size() != pictures.size() && !damage_.empty()) {
    fail(ExitCode::data, damage_.front(), ", so ", options.labels, " has ", lines.size(), " labels for ",
         pictures.size(), " pictures, and which is whose cannot be told any more; fetch it again");
  }
  if (lines.size() != pictures.size()) {
    fail(ExitCode::data, options.labels, ": has ", lines.size(), " labels for ", pictures.size(), " pictures of ",
         archive.shown, "; give files that belong together");
  }
  std::ranges::sort(pictures, {}, [](const TarMember& member) { return leaf_of(member.name); });
  std::set<std::string> known;
  for (const std::string& line : options.class_list) known.insert(first_word(line));
  for (size_t i = 0; i < pictures.size(); ++i) {
    TarMember& member = pictures[i];
    add(class_of(lines[i], i + 1, options, known),
        {.name = std::move(member.name), .offset = member.offset, .bytes = member.bytes});
  }
}

}  // namespace

std::unique_ptr<SampleSource> open_imagenet(const SourceOptions& options) {
  return std::make_unique<ImagenetSource>(options);
}

}  // namespace convoy
