// HDF5 files laid out in an anonymous memory file (memfd), where data not written cost nothing.
#include "io/hdf5/draft.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "core/base/error.hpp"

namespace convoy::hdf5 {

namespace {

Handle access_list() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Of HDF5's drivers this one takes /proc/self/fd/N for the name of a file; the default one follows the link.
  H5Pset_fapl_stdio(access.get());
  // The format of HDF5 1.8: its metadata carry checksums, and every h5py reads it.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_file_locking(access.get(), false, true);
  return access;
}

}  // namespace

Draft::Draft(const std::string& path, uint64_t data_bytes) : path_(path) {
  constexpr uint64_t structure_bytes = 4 << 20;  // more than HDF5 takes for the objects of any file of ours
  check_size_limit(path, data_bytes + structure_bytes);
  memory_ = FileDescriptor(memfd_create("convoy-hdf5", MFD_CLOEXEC));
  if (memory_.get() < 0) fail_storage(path, "be laid out in memory", errno);
}

std::string Draft::name() const {
  return "/proc/self/fd/" + std::to_string(memory_.get());
}

File Draft::create(const Layout& layout) const {
  const Handle access = access_list();
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_alignment(access.get(), layout.border_from, layout.border);
  H5Pset_userblock(creation.get(), layout.user_block);
  H5Pset_obj_track_times(creation.get(), false);  // the same content gives the same bytes
  File file{Handle(H5Fcreate(name().c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose), path_};
  if (file.handle.get() < 0) fail(ExitCode::storage, path_, ": cannot be laid out in memory; is /proc mounted?");
  return file;
}

File Draft::reopen() const {
  const Handle access = access_list();
  File file{Handle(H5Fopen(name().c_str(), H5F_ACC_RDWR, access.get()), H5Fclose), path_};
  if (file.handle.get() < 0) fail(ExitCode::internal, path_, ": the draft in memory cannot be opened again");
  return file;
}

uint64_t Draft::size() const {
  return size_of_file(memory_, path_);
}

void Draft::write_around(std::vector<Region> holes, const FileDescriptor& out) const {
  std::sort(holes.begin(), holes.end(), [](const Region& a, const Region& b) { return a.offset < b.offset; });
  holes.push_back({.offset = size(), .bytes = 0});
  std::vector<char> buffer(1 << 20);
  uint64_t begin = 0;
  for (const Region& hole : holes) {
    while (begin < hole.offset) {
      const size_t bytes = static_cast<size_t>(std::min<uint64_t>(buffer.size(), hole.offset - begin));
      if (read_at(memory_, path_, buffer.data(), bytes, begin) != bytes) {
        fail(ExitCode::internal, path_, ": the draft in memory ends early");
      }
      write_at(out, path_, buffer.data(), bytes, begin);
      begin += bytes;
    }
    begin = std::max(begin, hole.offset + hole.bytes);
  }
}

}  // namespace convoy::hdf5
