// Inputs to start from, one function for each kind of file.
#pragma once

#include <string>
#include <vector>

namespace convoy::fuzz {

std::vector<std::string> jpeg_seeds();
std::vector<std::string> png_seeds();
std::vector<std::string> idx_seeds();
std::vector<std::string> hdf5_seeds();
std::vector<std::string> tar_seeds();

/// By the target's name; tests/fuzz/seeds/TARGET holds more.
std::vector<std::string> made_seeds(const std::string& target);

}  // namespace convoy::fuzz
