// Makes tar archives byte by byte, for the tests of reading them.
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace convoy {

/// One member in the ustar format: header, data, zeros up to the next block.
inline std::string tar_member(const std::string& name, const std::string& data, char type = '0',
                              const std::string& target = "") {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  const auto octal = [](size_t value, int digits) {
    char text[16];
    std::snprintf(text, sizeof text, "%0*zo", digits, value);
    return std::string(text);
  };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, octal(data.size(), 11));
  put(136, octal(0, 11));
  put(148, "        ");
  header[156] = type;
  put(157, target);
  put(257, std::string("ustar\00000", 8));
  size_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  return header + data + std::string((512 - data.size() % 512) % 512, '\0');
}

inline std::string tar_end() {
  return std::string(1024, '\0');
}

inline std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string bytes;
  for (const auto& [name, data] : files) bytes += tar_member(name, data);
  return bytes + tar_end();
}

}  // namespace convoy
