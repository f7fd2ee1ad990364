// The outside of a checkpoint, private to io: its name and the user block that vouches for every byte of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/posix_file.hpp"

namespace convoy {

constexpr uint64_t user_block_bytes = 512;

/// RUN/checkpoints, and RUN/checkpoints/step-00000400.h5.
std::string checkpoint_folder(const std::string& run_folder);
std::string checkpoint_path(const std::string& run_folder, int64_t step);

/// The step in a checkpoint's name; -1 for any other name.
int64_t step_of_name(const std::string& path);

/// Writes the user block of a file that is otherwise complete.
void seal_checkpoint(const FileDescriptor& file, const std::string& path);

/// Whether a file begins as checkpoints do.
bool is_checkpoint(const std::string& path);

/// Throws Error(data) naming the file when it is missing, no checkpoint, cut off or damaged anywhere.
void verify_checkpoint(const std::string& path);

}  // namespace convoy
