// Whether a class has the same number wherever a run meets it.
#pragma once

#include <string>
#include <vector>

namespace convoy {

/// What checkpoints keep of the names of classes: one a line, or, where that is too long for an attribute, how many
/// and a checksum.
std::string class_note(const std::vector<std::string>& names);

/// Throws Error(usage) where `names` of the dataset `folder`, given by the key, are not those of `note`, a class_note()
/// of `origin`. Datasets without names agree with all.
void check_same_classes(const std::string& key, const std::string& folder, const std::vector<std::string>& names,
                        const std::string& origin, const std::string& note);

}  // namespace convoy
