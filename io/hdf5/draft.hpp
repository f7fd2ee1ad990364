// An HDF5 file laid out in memory and written to disk by our own calls, private to io.
//
// HDF5 sees an anonymous memory file. Large datasets are left as holes in it, which cost no memory; the owner writes
// their data straight to the file on disk. A full disk is thus met by our own writes, never by HDF5's.
#pragma once

#include <string>
#include <vector>

#include "io/hdf5/hdf5.hpp"
#include "io/posix_file.hpp"

namespace convoy::hdf5 {

class Draft {
 public:
  /// `path` is the file's final path, for messages; `data_bytes` what its datasets will hold. Throws Error(storage)
  /// where so large a file may not be made.
  Draft(const std::string& path, uint64_t data_bytes);

  struct Layout {
    uint64_t user_block = 0;  // bytes kept free at the front: 0, 512, 1024, ...
    uint64_t border = 1;      // objects of at least `border_from` bytes start on multiples of this
    uint64_t border_from = 1;
  };
  /// Inside a Session; close the file before write_around().
  File create(const Layout& layout) const;
  File reopen() const;

  /// Bytes of the whole file, holes included.
  uint64_t size() const;

  /// Writes to `out` all bytes of the draft outside `holes`. Throws Error(storage).
  void write_around(std::vector<Region> holes, const FileDescriptor& out) const;

 private:
  std::string name() const;

  std::string path_;
  FileDescriptor memory_;
};

}  // namespace convoy::hdf5
