// Samples that were left out because they are broken: kept beside each shard until all are made, then in skipped.txt.
#pragma once

#include <string>
#include <vector>

namespace convoy {

struct Skipped {
  std::string name, reason;
};

/// Broken in the same way: reasons that differ in numbers only.
struct SkippedGroup {
  std::string reason;  // the first one's
  size_t count = 0;
  std::vector<std::string> names;  // the first few
};
std::vector<SkippedGroup> group_skipped(const std::vector<Skipped>& skipped);

/// "NAME: REASON; REMEDY" without the remedy, and without NAME where it begins so.
std::string reason_of(const std::string& message, const std::string& name);

/// What a shard leaves out, on disk before the shard is: nothing is written where there is nothing to say.
void save_skipped_of_shard(const std::string& folder, int shard, const std::vector<Skipped>& skipped);
/// Removes all such lists, of an import of which nothing is left: they would be taken for the next one's.
void forget_skipped(const std::string& folder);
/// Gathers what shards [0, shards) left out into FOLDER/skipped.txt, a line each, NAME and REASON with a tab between;
/// what a call before this one has gathered stays. `damage` ("ARCHIVE: what is wrong with it"), behind which any number
/// of samples may be missing, is written there too. Returns the samples.
std::vector<Skipped> gather_skipped(const std::string& folder, int shards, const std::vector<std::string>& damage);

}  // namespace convoy
