#include "base/cpu_features.h"
#include "samples.h"
#include "transformer/int8_kernel.h"
#include "transformer/int8_tiles.h"

namespace fl::transformer::testing {
namespace {

void by(const Int8Kernel& kernel, const fl_int8_linear_args& args) {
  std::vector<int8_t> packed(static_cast<size_t>(int8_panel_bytes(args.inputs)));
  float scales[kInt8PanelRows];
  int32_t sums[kInt8PanelRows];
  for (int64_t panel = 0; panel * kInt8PanelRows < args.rows; ++panel) {
    kernel.quantise(args, panel, packed.data(), scales, sums);
    for (int64_t first = 0; first < args.outputs; first += kInt8WeightRows)
      kernel.multiply(args, panel, packed.data(), scales, sums, first);
  }
}

// Product(args) computes y; sizes meet every kind of edge.
template <class Product>
void compare(const char* name, const Product& product) {
  for (fl_dtype dtype : kDtypes)
    for (int64_t inputs : {1, 3, 4, 66, 2050}) {
      const int64_t rows = 67, outputs = 197, stride = inputs + 3;
      const Sample x = sample(dtype, static_cast<size_t>(rows * stride), 1, 3);
      const Sample scale = sample(FL_FLOAT32, static_cast<size_t>(outputs), 2, 0.01f);
      const Sample bias = sample(FL_FLOAT32, static_cast<size_t>(outputs), 3);
      std::vector<int8_t> weight(static_cast<size_t>(outputs * inputs));
      std::mt19937 engine(5);
      for (int8_t& w : weight) w = static_cast<int8_t>(static_cast<int>(engine() % 256) - 128);
      std::vector<char> out(static_cast<size_t>(rows * outputs) * 4);
      fl_int8_linear_args args{sizeof(fl_int8_linear_args),
                               x.data(),
                               weight.data(),
                               scale.values.data(),
                               bias.values.data(),
                               out.data(),
                               dtype,
                               rows,
                               inputs,
                               outputs,
                               stride};
      product(args);
      const auto y = values_of(out, dtype, static_cast<size_t>(rows * outputs));
      for (int64_t m = 0; m < rows; ++m) {
        const float* row = x.values.data() + m * stride;
        float peak = 0;
        for (int64_t k = 0; k < inputs; ++k) peak = std::max(peak, std::abs(row[k]));
        const float token = peak > 0 ? peak / 127 : 1;
        for (int64_t n = 0; n < outputs; ++n) {
          int64_t sum = 0;
          for (int64_t k = 0; k < inputs; ++k)
            sum += std::lrint(row[k] / token) * weight[static_cast<size_t>(n * inputs + k)];
          const auto at = static_cast<size_t>(n);
          const double exact = static_cast<double>(sum) * token * scale.values[at] + bias.values[at];
          ASSERT_NEAR(y[static_cast<size_t>(m * outputs + n)], exact, (unit(dtype) + 1e-6) * (std::abs(exact) + 1))
              << name << ", dtype " << dtype << ", " << inputs << " inputs";
        }
      }
    }
}

TEST(Int8Linear, equals_the_integer_formula) {
  if (const char* absent = fl_int8_linear_absent()) GTEST_SKIP() << absent;
  compare("the chosen one",
          [](const fl_int8_linear_args& args) { ASSERT_EQ(fl_int8_linear(&args), FL_OK) << fl_last_error(); });
}

// The algorithm of CPUs with AMX, on any CPU.
TEST(Int8Linear, by_plain_tiles_equals_the_integer_formula) {
  const Int8Kernel kernel = Int8Linear<TileInt8<PlainTiles>>::table();
  compare("plain tiles", [&](const fl_int8_linear_args& args) { by(kernel, args); });
}

#if defined(__x86_64__)
TEST(Int8Linear, by_vnni_equals_the_integer_formula) {
  if (!cpu_features().avx512_vnni) GTEST_SKIP() << "this CPU has no AVX-512 VNNI";
  compare("VNNI", [&](const fl_int8_linear_args& args) { by(kVnniInt8, args); });
}
#endif

TEST(Int8Linear, more_inputs_than_the_sums_hold_are_refused) {
  if (const char* absent = fl_int8_linear_absent()) GTEST_SKIP() << absent;
  fl_int8_linear_args args{};
  args.struct_size = sizeof args;
  args.dtype = FL_FLOAT32, args.inputs = 65537;
  EXPECT_EQ(fl_int8_linear(&args), FL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace fl::transformer::testing
