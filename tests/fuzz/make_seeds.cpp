// make_seeds TARGET FOLDER: writes the seeds of seeds.cpp there, for tests/fuzz/run.
#include <fstream>

#include "tests/fuzz/seeds.hpp"

int main(int count, char** arguments) {
  if (count != 3) return 2;
  int number = 0;
  for (const std::string& seed : convoy::fuzz::made_seeds(arguments[1])) {
    std::ofstream file(std::string(arguments[2]) + "/made-" + std::to_string(number++), std::ios::binary);
    if (!(file << seed).flush()) return 1;
  }
  return 0;
}
