// onnx_cases DIR...: ONNX's own operator cases, run by Convoy's ops. One line per case; the last line counts them.
// Exits with 1 if a case failed, with 2 where there was none.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "tests/onnx/cases.hpp"

int main(int count, char** arguments) {
  using convoy::onnx::Verdict;
  int passed = 0, failed = 0, skipped = 0;
  try {
    for (int i = 1; i < count; ++i) {
      for (const std::string& folder : convoy::onnx::find_cases(arguments[i])) {
        const std::string name = std::filesystem::path(folder).lexically_normal().filename();
        const Verdict verdict = convoy::onnx::judge(folder);
        switch (verdict.kind) {
          case Verdict::Kind::pass: ++passed, std::printf("pass %s\n", name.c_str()); break;
          case Verdict::Kind::fail: ++failed, std::printf("fail %s: %s\n", name.c_str(), verdict.detail.c_str()); break;
          case Verdict::Kind::unsupported:
            ++skipped, std::printf("unsupported %s: %s\n", name.c_str(), verdict.detail.c_str());
            break;
        }
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onnx_cases: %s\n", error.what());
    return 2;
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  if (passed + failed + skipped == 0) {
    std::fprintf(stderr,
                 "onnx_cases: no case in the folders given; usage: onnx_cases DIR..., such as "
                 "/usr/share/libonnx-testdata/data/node\n");
    return 2;
  }
  return failed > 0 ? 1 : 0;
}
