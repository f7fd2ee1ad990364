// The fuzz targets: each reads bytes as one of Convoy's readers does, and aborts where the reader breaks its word.
//
// A target is a function here and, where CONVOY_LIBFUZZER is defined, libFuzzer's entry point of its own program
// (tests/fuzz/run). replay_test.cpp calls all of them in every build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"

namespace convoy::fuzz {

void network(std::string_view bytes);
void jpeg(std::string_view bytes);
void png(std::string_view bytes);
void idx(std::string_view bytes);
void hdf5(std::string_view bytes);
void tar(std::string_view bytes);

inline void require(bool holds, const char* what, const char* where) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, where);
  std::abort();
}

/// Runs `read`, which may throw an Error of one line with this code that begins with `name`, and nothing else.
template <typename Read>
void read_or_refuse(ExitCode code, const std::string& name, const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    require(error.code() == code, "another exit code", error.what());
    require(message.starts_with(name), "a message that does not name the file", error.what());
    require(message.find('\n') == std::string_view::npos, "a message of several lines", error.what());
  }
}

/// A file for readers that take a path, as long as this lives.
class InputFile {
 public:
  explicit InputFile(std::string_view bytes);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace convoy::fuzz

#ifdef CONVOY_LIBFUZZER
#define CONVOY_FUZZ_ENTRY(target)                                           \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    convoy::fuzz::target({reinterpret_cast<const char*>(data), size});      \
    return 0;                                                               \
  }
#else
#define CONVOY_FUZZ_ENTRY(target)
#endif
