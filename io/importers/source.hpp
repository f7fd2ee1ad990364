// Where samples are imported from. One interface for every kind of source; the import job knows no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor/shape.hpp"
#include "io/image/image.hpp"
#include "io/importers/hash.hpp"

namespace convoy {

/// One sample as its source has it: a JPEG or PNG file where it is encoded(), else pixels. Reused from call to call,
/// one a thread.
struct Sample {
  std::vector<std::byte> encoded;
  Image image;
};

/// What a source holds besides samples, by reason.
struct LeftOut {
  int64_t count = 0;
  std::vector<std::string> names;  // the first few
};

class SampleSource {
 public:
  virtual ~SampleSource() = default;

  virtual int64_t size() const = 0;
  /// Whether samples come as files that have to be decoded.
  virtual bool encoded() const = 0;
  /// (H,W,C) of sources of pixels, whose images all have one size; else unspecified.
  virtual Shape image() const = 0;
  /// Whether neighbours are of one class, so that they had better be shuffled.
  virtual bool by_class() const = 0;

  /// Names, may be empty: unknown.
  const std::vector<std::string>& classes() const { return classes_; }
  int64_t class_count() const { return class_count_; }
  /// Throws Error(data) for a label that is not one of the classes.
  virtual int32_t label(int64_t i) const = 0;
  /// As messages call it: "train.tar: cat/1.jpg at byte 512".
  virtual std::string name(int64_t i) const = 0;
  /// Of the sample as the source stores it.
  virtual uint64_t bytes(int64_t i) const = 0;
  /// Adds to the hash all that tells this source from others: names, sizes, labels and their order, or the contents.
  virtual void identify(Hash& hash) const = 0;
  /// Any threads at once. Throws Error(data) that begins with name(i).
  virtual void fetch(int64_t i, Sample& sample) const = 0;

  /// Files that are no samples, by the reason.
  const std::map<std::string, LeftOut>& left_out() const { return left_out_; }
  /// What is wrong with whole archives, without a remedy; what comes before such a place in them is among the samples.
  const std::vector<std::string>& damage() const { return damage_; }

 protected:
  void leave_out(const std::string& reason, const std::string& name);
  void leave_out_link(const std::string& name) { leave_out("a link, which is not followed", name); }

  std::vector<std::string> classes_;
  int64_t class_count_ = 0;
  std::vector<std::string> damage_;

 private:
  std::map<std::string, LeftOut> left_out_;
};

/// A file to import from. `path` is what is opened: the same file, or what it was unpacked to.
struct SourceFile {
  std::string shown, path;
};

struct SourceOptions {
  std::string kind;  // idx, cifar, folder, tar, imagenet, hdf5
  std::vector<SourceFile> files;
  std::vector<std::string> class_list;  // names; empty: the source's own
  std::string part;                     // cifar: train or test; tar: the folder that holds the class folders
  std::string labels;                   // imagenet: a file of labels; cifar: fine or coarse
};

const std::vector<std::string>& source_kinds();

/// Throws Error(usage) where kind, number of files, part and labels do not fit together.
void check_source_options(const SourceOptions& options);

/// Lists the source and checks what can be told without reading it all. Throws Error(data), or Error(usage) for options
/// that do not fit it.
std::unique_ptr<SampleSource> open_source(const SourceOptions& options);

// The kinds, each in a file of its own.
std::unique_ptr<SampleSource> open_idx(const SourceOptions& options);
std::unique_ptr<SampleSource> open_cifar(const SourceOptions& options);
std::unique_ptr<SampleSource> open_folder(const SourceOptions& options);
std::unique_ptr<SampleSource> open_tar(const SourceOptions& options);
std::unique_ptr<SampleSource> open_imagenet(const SourceOptions& options);
std::unique_ptr<SampleSource> open_hdf5(const SourceOptions& options);

}  // namespace convoy
