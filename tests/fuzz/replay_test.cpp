// The fuzz target without libFuzzer, so that every build runs it: all seeds, and many texts that differ from them a
// little.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/random.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace convoy {
namespace {

void feed(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

std::vector<std::string> seeds() {
  std::vector<std::string> found;
  for (const char* folder : {"/experiments/nets", "/tests/golden", "/tests/fuzz/seeds"}) {
    for (const auto& entry : std::filesystem::directory_iterator(CONVOY_SOURCE_DIR + std::string(folder))) {
      if (entry.path().extension() != ".net") continue;
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      found.push_back(text.str());
    }
  }
  std::ranges::sort(found);
  return found;
}

/// One small change: a piece taken out, put elsewhere, or a character replaced.
std::string changed(const std::string& text, const RandomStream& random, uint64_t draw) {
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

TEST(NetworkTextFuzz, SeedsAndTheirNeighboursAreReadOrRefused) {
  const std::vector<std::string> texts = seeds();
  ASSERT_GE(texts.size(), 15u);
  for (size_t i = 0; i < texts.size(); ++i) {
    feed(texts[i]);
    const RandomStream random(7, RandomPurpose::test, i);
    for (uint64_t draw = 0; draw < 300; ++draw) {
      feed(changed(changed(texts[i], random, 2 * draw), random, 2 * draw + 1));
    }
  }
}

}  // namespace
}  // namespace convoy
