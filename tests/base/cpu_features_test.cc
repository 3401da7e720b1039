#include "base/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace fl {
namespace {

// What the kernel says of the first processor.
std::set<std::string> kernel_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::stringstream words(line.substr(line.find(':') + 1));
    std::set<std::string> flags;
    for (std::string word; words >> word;) flags.insert(word);
    return flags;
  }
  return {};
}

TEST(CpuFeatures, are_those_that_the_kernel_names) {
  const std::set<std::string> flags = kernel_flags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo names no flags on this system";
  const auto all = [&](const std::set<std::string>& wanted) {
    return std::includes(flags.begin(), flags.end(), wanted.begin(), wanted.end());
  };
  const CpuFeatures& found = cpu_features();
  EXPECT_EQ(found.v3, all({"avx2", "fma", "bmi1", "bmi2", "f16c"}));
  const bool v4 = found.v3 && all({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  EXPECT_EQ(found.v4, v4);
  EXPECT_EQ(found.avx512_vnni, v4 && all({"avx512_vnni"}));
  EXPECT_EQ(found.avx512_bf16, v4 && all({"avx512_bf16"}));
  // Tiles may be there and not be granted.
  EXPECT_TRUE(!tile_features().bf16 || all({"amx_tile", "amx_bf16"}));
  EXPECT_TRUE(!tile_features().int8 || all({"amx_tile", "amx_int8"}));
}

}  // namespace
}  // namespace fl
