// What NVIDIA's profilers are told besides what they see themselves: named ranges of the host's time, and which part of
// a run they are meant for. Without CUDA, or where no profiler is attached, this does nothing, and takes no time.
#pragma once

#include <cstdint>

namespace convoy {

/// A range that lasts as long as this object, on the thread that made it; those made meanwhile lie within.
class ProfilerRange {
 public:
  explicit ProfilerRange(const char* name);
  /// "step 12".
  ProfilerRange(const char* what, int64_t number);
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;
  ~ProfilerRange();  // NOLINT(performance-trivially-destructible): of the CUDA source it is not
};

/// Between these two a profiler records that was told to wait for it (`nsys profile -c cudaProfilerApi`).
void start_profiler();
void stop_profiler();

}  // namespace convoy
