// Operands of tests: reproducible numbers, and rows of the dtypes under test as floats and back.
#ifndef FLAGOS_TESTS_TRANSFORMER_SAMPLES_H_
#define FLAGOS_TESTS_TRANSFORMER_SAMPLES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "transformer/kernels.h"
#include "transformer/rows.h"

namespace fl::transformer::testing {

constexpr fl_dtype kDtypes[] = {FL_FLOAT32, FL_BFLOAT16, FL_FLOAT16};

inline double unit(fl_dtype dtype) { return dtype == FL_FLOAT32 ? 0x1p-23 : dtype == FL_FLOAT16 ? 0x1p-10 : 0x1p-7; }

// A tensor of `dtype`, and the exact values that it holds.
struct Sample {
  fl_dtype dtype;
  std::vector<char> bytes;
  std::vector<float> values;
  const void* data() const { return bytes.data(); }
};

inline Sample sample(fl_dtype dtype, size_t count, unsigned seed, float scale = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, scale);
  Sample made{dtype, std::vector<char>(count * 4), std::vector<float>(count)};
  for (float& value : made.values) value = normal(engine);
  with_row_type(dtype, [&](auto element) {
    auto* to = reinterpret_cast<decltype(element)*>(made.bytes.data());
    round_row(made.values.data(), static_cast<int64_t>(count), to);
    widen_row(to, static_cast<int64_t>(count), made.values.data());
  });
  return made;
}

// What a kernel wrote, as floats.
inline std::vector<float> values_of(const std::vector<char>& bytes, fl_dtype dtype, size_t count) {
  std::vector<float> values(count);
  with_row_type(dtype, [&](auto element) {
    widen_row(reinterpret_cast<const decltype(element)*>(bytes.data()), static_cast<int64_t>(count), values.data());
  });
  return values;
}

}  // namespace fl::transformer::testing

#endif  // FLAGOS_TESTS_TRANSFORMER_SAMPLES_H_
