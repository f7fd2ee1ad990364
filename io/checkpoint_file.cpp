// Sealing, verifying and finding checkpoints.
#include "io/checkpoint_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/checkpoint.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "convoy checkpoint 1\n";
constexpr std::string_view any_version = "convoy checkpoint ";
constexpr std::string_view name_begin = "step-", name_end = ".h5";
constexpr const char* remedy = "use an earlier checkpoint, or copy it again from its source";

std::string make_user_block(uint64_t bytes, uint32_t checksum) {
  std::array<char, user_block_bytes> text{};
  std::snprintf(text.data(), text.size(), "%sbytes %llu\ncrc32c %08x\n", magic.data(),
                static_cast<unsigned long long>(bytes), checksum);
  return {text.data(), text.size()};
}

/// The size that a user block tells; 0 where it tells none.
uint64_t size_in_user_block(std::string_view block) {
  constexpr std::string_view key = "bytes ";
  block.remove_prefix(magic.size());
  uint64_t size = 0;
  if (block.starts_with(key)) std::from_chars(block.data() + key.size(), block.data() + block.size(), size);
  return size;
}

/// The checksum of all that follows the user block.
uint32_t checksum_of(const FileDescriptor& file, const std::string& path, uint64_t size) {
  std::vector<char> buffer(1 << 20);
  uint32_t checksum = 0;
  for (uint64_t at = user_block_bytes; at < size;) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(buffer.size(), size - at));
    const size_t got = read_at(file, path, buffer.data(), wanted, at);
    if (got == 0) fail(ExitCode::data, path, ": was cut short while it was read; ", remedy);
    checksum = crc32c(buffer.data(), got, checksum);
    at += got;
  }
  return checksum;
}

std::string read_user_block(const FileDescriptor& file, const std::string& path) {
  std::string block(user_block_bytes, '\0');
  block.resize(read_at(file, path, block.data(), block.size(), 0));
  return block;
}

}  // namespace

std::string checkpoint_folder(const std::string& run_folder) {
  return run_folder + "/checkpoints";
}

std::string checkpoint_path(const std::string& run_folder, int64_t step) {
  std::array<char, 40> name;
  std::snprintf(name.data(), name.size(), "step-%08lld.h5", static_cast<long long>(step));
  return checkpoint_folder(run_folder) + "/" + name.data();
}

int64_t step_of_name(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  if (!name.starts_with(name_begin) || !name.ends_with(name_end)) return -1;
  const char* begin = name.data() + name_begin.size();
  const char* end = name.data() + name.size() - name_end.size();
  int64_t step = -1;
  const bool digits = end - begin >= 8 && std::all_of(begin, end, [](char c) { return c >= '0' && c <= '9'; });
  if (digits && std::from_chars(begin, end, step).ec != std::errc()) step = -1;
  return step;
}

void seal_checkpoint(const FileDescriptor& file, const std::string& path) {
  const uint64_t size = size_of_file(file, path);
  const std::string block = make_user_block(size, checksum_of(file, path, size));
  write_at(file, path, block.data(), block.size(), 0);
}

bool is_checkpoint(const std::string& path) {
  return read_user_block(open_to_read(path), path).starts_with(any_version);
}

void verify_checkpoint(const std::string& path) {
  const FileDescriptor file = open_to_read(path);
  const uint64_t size = size_of_file(file, path);
  const std::string block = read_user_block(file, path);
  if (!block.starts_with(magic) && block.starts_with(any_version)) {
    fail(ExitCode::data, path, ": is a checkpoint of another version than 1; use the Convoy that wrote it");
  }
  if (!block.starts_with(magic)) {
    fail(ExitCode::data, path, ": is no checkpoint, or its beginning is damaged (", size, " bytes); ", remedy);
  }
  const uint64_t told = size_in_user_block(block);
  if (block.size() < user_block_bytes || size < told) {
    fail(ExitCode::data, path, ": is cut short: it has ", size, " bytes of ", told, "; ", remedy);
  }
  if (size > told) fail(ExitCode::data, path, ": is damaged: it has ", size, " bytes instead of ", told, "; ", remedy);
  if (block != make_user_block(size, checksum_of(file, path, size))) {
    fail(ExitCode::data, path, ": is damaged: its bytes do not match their CRC32C; ", remedy);
  }
}

std::vector<std::string> list_checkpoints(const std::string& run_folder) {
  std::vector<std::string> paths;
  std::error_code error;
  const std::string folder = checkpoint_folder(run_folder);
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (step_of_name(entry.path().string()) >= 0) paths.push_back(entry.path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    fail(ExitCode::data, folder, ": cannot be read: ", error.message(), "; check the path and its permissions");
  }
  std::sort(paths.begin(), paths.end(),
            [](const std::string& a, const std::string& b) { return step_of_name(a) > step_of_name(b); });
  return paths;
}

std::string newest_whole_checkpoint(const std::string& run_folder, std::vector<std::string>& notices) {
  for (const std::string& path : list_checkpoints(run_folder)) {
    try {
      verify_checkpoint(path);
      return path;
    } catch (const Error& error) {
      notices.push_back(error.what());
    }
  }
  return "";
}

void prune_checkpoints(const std::string& run_folder, int keep) {
  if (keep <= 0) return;
  const std::vector<std::string> paths = list_checkpoints(run_folder);
  for (size_t i = static_cast<size_t>(keep); i < paths.size(); ++i) {
    std::error_code ignored;  // one too many does no harm
    fs::remove(paths[i], ignored);
  }
}

}  // namespace convoy
