// The fuzz targets without libFuzzer, so that every build runs them: all seeds, and many inputs that differ from them a
// little.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/random.hpp"
#include "tests/fuzz/seeds.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/io/image/image_testing.hpp"

namespace convoy::fuzz {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

/// All seeds of a target, sorted: those of seeds.cpp, and the files of its own folder.
std::vector<std::string> seeds_of(const std::string& target) {
  std::vector<std::string> found = made_seeds(target);
  std::error_code missing;
  const std::string folder = std::string(CONVOY_SOURCE_DIR) + "/tests/fuzz/seeds/" + target;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    found.push_back(contents(entry.path()));
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> network_texts() {
  std::vector<std::string> found = seeds_of("network");
  for (const char* folder : {"/experiments/nets", "/tests/golden"}) {
    for (const auto& entry : std::filesystem::directory_iterator(CONVOY_SOURCE_DIR + std::string(folder))) {
      if (entry.path().extension() == ".net") found.push_back(contents(entry.path()));
    }
  }
  std::ranges::sort(found);
  return found;
}

/// One small change: a piece taken out, put elsewhere, or a character replaced.
std::string changed_text(const std::string& text, const RandomStream& random, uint64_t draw) {
  const auto block = random.block(draw);
  const auto& word = block.word;
  const size_t at = word[0] % text.size(), to = word[1] % text.size(), length = 1 + word[2] % 24;
  std::string out = text;
  switch (word[3] % 4) {
    case 0: return out.erase(at, length);
    case 1: return out.insert(to, text.substr(at, length));
    case 2: out[at] = "0123456789x,=-.#: \n\r\t"[word[1] % 21]; return out;
    default: out[at] = static_cast<char>(word[1] % 256); return out;
  }
}

TEST(Fuzz, NetworkTextsAndTheirNeighboursAreReadOrRefused) {
  const std::vector<std::string> texts = network_texts();
  ASSERT_GE(texts.size(), 15u);
  for (size_t i = 0; i < texts.size(); ++i) {
    network(texts[i]);
    const RandomStream random(7, RandomPurpose::test, i);
    for (uint64_t draw = 0; draw < 300; ++draw) {
      network(changed_text(changed_text(texts[i], random, 2 * draw), random, 2 * draw + 1));
    }
  }
}

/// A bit or a byte changed, often to a number that means much, and sometimes the end cut off.
std::string changed_bytes(std::string bytes, const RandomStream& random, uint64_t draw) {
  const auto block = random.block(draw);
  const auto& word = block.word;
  if (bytes.empty()) return bytes;
  char& byte = bytes[word[0] % bytes.size()];
  switch (word[1] % 8) {
    case 0: byte = '\0'; break;
    case 1: byte = '\xFF'; break;
    case 2: byte = static_cast<char>(byte + 1); break;
    case 3: bytes.resize(word[2] % bytes.size()); break;
    default: byte = static_cast<char>(byte ^ (1 << word[2] % 8));
  }
  return bytes;
}

struct Target {
  const char* name;
  void (*feed)(std::string_view);
};

class FuzzFiles : public testing::TestWithParam<Target> {};

TEST_P(FuzzFiles, SeedsAndTheirNeighboursAreReadOrRefused) {
  const Target target = GetParam();
  const std::vector<std::string> seeds = seeds_of(target.name);
  ASSERT_FALSE(seeds.empty());
  for (size_t i = 0; i < seeds.size(); ++i) {
    target.feed(seeds[i]);
    for (size_t tenth = 0; tenth < 10; ++tenth) target.feed(seeds[i].substr(0, seeds[i].size() * tenth / 10));
    // HDF5 1.10 may crash on a damaged file, which would tell nothing of Convoy; tests/fuzz/run can tell them apart.
    if (target.feed == hdf5) continue;
    const RandomStream random(8, RandomPurpose::test, i);
    for (uint64_t draw = 0; draw < 200; ++draw) {
      std::string bytes = seeds[i];
      for (uint64_t change = 0; change <= draw % 3; ++change) bytes = changed_bytes(bytes, random, 3 * draw + change);
      if (target.feed == png && draw % 4 != 0) repair_png(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size());
      target.feed(bytes);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, FuzzFiles,
                         testing::Values(Target{"jpeg", jpeg}, Target{"png", png}, Target{"idx", idx},
                                         Target{"hdf5", hdf5}, Target{"tar", tar}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace convoy::fuzz
