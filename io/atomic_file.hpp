// Files that are whole or absent: written beside their final name, synced, then renamed.
#pragma once

#include <string>
#include <string_view>

namespace convoy {

/// Syncs the file `temporary` and renames it to `path`; syncs the folder. Throws Error(storage) and removes
/// `temporary`.
void commit_file(const std::string& temporary, const std::string& path);

/// Writes `content` to `path` atomically.
void write_file(const std::string& path, std::string_view content);

/// The temporary name to use beside `path`: hidden, unlike any name that readers look for (".NAME.tmp-PID").
std::string temporary_beside(const std::string& path);

/// Removes what processes that died left of temporary_beside() names: those in `folder` for names that begin with
/// `prefix`, except this process's own. For folders that only one process at a time writes to.
void remove_stale_temporaries(const std::string& folder, std::string_view prefix);

/// Makes a folder (and its parents) that can be written to: tries, by writing and removing a small file. Throws
/// Error(storage) naming the folder and the reason.
void make_writable_folder(const std::string& folder);

}  // namespace convoy
