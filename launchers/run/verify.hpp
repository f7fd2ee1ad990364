// Reading every image of a dataset, to see whether it is what was written.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/shard/shard.hpp"

namespace convoy {

struct VerifyReport {
  int64_t images = 0, damaged = 0;
  uint64_t bytes = 0;                   // read
  std::vector<std::string> complaints;  // about the first damaged images in file order, `most_complaints` at most
  bool compared = true;                 // every shard holds checksums
};

struct VerifyProgress {
  uint64_t bytes = 0, all_bytes = 0;
  int64_t damaged = 0;
};

constexpr size_t most_complaints = 10;

/// Reads all images by `threads` threads, neighbours at once, and compares them with their checksums; encoded ones are
/// decoded too. Damage is reported, not thrown; anything else is, such as std::bad_alloc. `watch` is called now and
/// then, by one thread at a time.
VerifyReport verify_images(const std::vector<const ShardReader*>& shards, int threads,
                           const std::function<void(const VerifyProgress&)>& watch);

}  // namespace convoy
