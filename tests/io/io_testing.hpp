// What the io tests share: errors as text, damaged files, small disks, made-up datasets.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "io/shard/shard.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy {

/// The message of the Error that `action` must throw with `code`: one line that has a remedy after a semicolon.
template <typename Action>
std::string error_of(ExitCode code, Action action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_TRUE(code == ExitCode::internal || message.find("; ") != std::string::npos) << "no remedy: " << message;
    return message;
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

inline std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  ASSERT_TRUE(file.flush()) << path;
}

/// Changes one byte where it is.
inline void flip_byte(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const auto byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
  ASSERT_TRUE(file.flush()) << path;
}

/// Lowers the limit on file sizes for a scope.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit lowered{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &lowered);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

/// Returns when the clock shows another second than before.
inline void await_next_second() {
  for (const time_t before = time(nullptr); time(nullptr) == before;) usleep(10000);
}

/// Names in a folder, hidden ones included, sorted.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// A file system of so many KiB, where the test may mount one: ask mounted() and skip.
class SmallDisk {
 public:
  explicit SmallDisk(int kib) {
    mounted_ =
        mount("convoy-test", folder_.path().c_str(), "tmpfs", 0, ("size=" + std::to_string(kib) + "k").c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return folder_.path(); }
  void make_read_only() { ASSERT_EQ(mount(nullptr, path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0); }
  /// Leaves not one block free.
  void fill() {
    const int file = open((path() + "/filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::string block(4096, 'x');
    while (write(file, block.data(), block.size()) > 0) continue;
    close(file);
  }

 private:
  TempFolder folder_;
  bool mounted_ = false;
};

#define SKIP_UNLESS_MOUNTED(disk) \
  if (!(disk).mounted()) GTEST_SKIP() << "mounting a small file system is not allowed here (needs root)"

/// Sample i of every made-up dataset.
inline std::vector<uint8_t> made_up_image(int64_t sample, const Shape& shape) {
  std::vector<uint8_t> image(static_cast<size_t>(shape.count()));
  for (size_t j = 0; j < image.size(); ++j) {
    image[j] = static_cast<uint8_t>(static_cast<size_t>(sample) * 37 + j * 11 + (j >> 4));
  }
  return image;
}
inline int32_t made_up_label(int64_t sample) {
  return static_cast<int32_t>(sample * 7 % 10);
}

struct MadeUp {
  Shape image = {4, 3, 2};
  int64_t samples = 20;
  int shards = 1;
  std::string id = "made-up";
};

/// A header as import writes it; count is set per shard.
inline ShardHeader header_of(const MadeUp& made_up) {
  ShardHeader header{.image = made_up.image, .count = made_up.samples, .class_count = 10};
  header.dataset_id = made_up.id;
  header.shards = made_up.shards;
  return header;
}

/// Writes FOLDER/part-K.h5 and returns their paths.
inline std::vector<std::string> write_made_up(const std::string& folder, const MadeUp& made_up = {}) {
  ShardHeader header = header_of(made_up);
  std::vector<std::string> paths;
  for (header.shard = 0; header.shard < made_up.shards; ++header.shard) {
    const int64_t begin = made_up.samples * header.shard / made_up.shards;
    header.count = made_up.samples * (header.shard + 1) / made_up.shards - begin;
    paths.push_back(folder + "/part-" + std::to_string(header.shard) + ".h5");
    ShardWriter writer(paths.back(), header);
    for (int64_t i = begin; i < begin + header.count; ++i) {
      const int32_t label = made_up_label(i);
      writer.append(made_up_image(i, made_up.image).data(), &label, 1);
    }
    writer.commit();
  }
  return paths;
}

}  // namespace convoy
