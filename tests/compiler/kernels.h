// The kernels that stand beside the tests as text: printed by stock Triton 3.6.0 from kernels of our own, or (floats,
// integers, rare) written by hand for the operations that those lack.
#ifndef FLAGOS_TESTS_COMPILER_KERNELS_H_
#define FLAGOS_TESTS_COMPILER_KERNELS_H_

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace fl::test {

inline std::map<std::string, std::string> kernels() {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(FLAGOS_KERNELS)) {
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    all[entry.path().stem().string()] = text.str();
  }
  return all;
}

// A module with one kernel that has the given arguments and body.
inline std::string module_of(const std::string& arguments, const std::string& body) {
  return "module {\n  tt.func public @k(" + arguments + ") {\n" + body + "\n    tt.return\n  }\n}\n";
}

}  // namespace fl::test

#endif  // FLAGOS_TESTS_COMPILER_KERNELS_H_
