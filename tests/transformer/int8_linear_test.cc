#include "samples.h"

namespace fl::transformer::testing {
namespace {

TEST(Int8Linear, equals_the_integer_formula) {
  if (const char* absent = fl_int8_linear_absent()) GTEST_SKIP() << absent;
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
      ASSERT_EQ(fl_int8_linear(&args), FL_OK) << fl_last_error();
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
              << "dtype " << dtype << ", " << inputs << " inputs";
        }
      }
    }
}

TEST(Int8Linear, more_inputs_than_the_sums_hold_are_refused) {
  if (const char* absent = fl_int8_linear_absent()) GTEST_SKIP() << absent;
  fl_int8_linear_args args{};
  args.struct_size = sizeof args;
  args.dtype = FL_FLOAT32, args.inputs = 65537;
  EXPECT_EQ(fl_int8_linear(&args), FL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace fl::transformer::testing
