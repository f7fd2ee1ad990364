// Files whose path every reader can open, in memory where tests/fuzz/run says so (HDF5 wants a path that exists, which
// a file of memfd_create does not have).
#include <unistd.h>

#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {
namespace {

std::string new_path() {
  const char* folder = std::getenv("CONVOY_FUZZ_FOLDER");
  return std::string(folder != nullptr ? folder : "/tmp") + "/convoy-fuzz-XXXXXX";
}

}  // namespace

InputFile::InputFile(std::string_view bytes) : path_(new_path()) {
  const int file = mkstemp(path_.data());
  require(file >= 0, "cannot make a file", path_.c_str());
  require(write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "short write", path_.c_str());
  close(file);
}

InputFile::~InputFile() {
  unlink(path_.c_str());
}

}  // namespace convoy::fuzz
