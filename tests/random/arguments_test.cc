// Bad input: one clear error, and nothing written.
#include <cmath>

#include "calls.h"

namespace fl::random::testing {
namespace {

class Arguments : public ::testing::Test {
 protected:
  void refused(fl_status got, fl_status expected, const char* words) {
    EXPECT_EQ(got, expected);
    EXPECT_NE(std::string(fl_last_error()).find(words), std::string::npos) << fl_last_error();
    for (float x : out_) EXPECT_EQ(x, 42.0f);
  }
  float out_[8] = {42, 42, 42, 42, 42, 42, 42, 42};
  fl_random_span span_{1, 0, 0, 8};
};

TEST_F(Arguments, parameters_outside_their_range_are_refused) {
  const double nan = NAN;
  for (double bad : {-0.5, nan}) {
    refused(fl_random_normal(&span_, FL_FLOAT32, out_, 0, bad), FL_INVALID_ARGUMENT, "std >= 0");
    refused(fl_random_log_normal(&span_, FL_FLOAT32, out_, 0, bad), FL_INVALID_ARGUMENT, "std > 0");
    refused(fl_random_exponential(&span_, FL_FLOAT32, out_, bad), FL_INVALID_ARGUMENT, "lambda > 0");
    refused(fl_random_cauchy(&span_, FL_FLOAT32, out_, 0, bad), FL_INVALID_ARGUMENT, "sigma > 0");
    refused(fl_random_bernoulli(&span_, FL_FLOAT32, out_, bad), FL_INVALID_ARGUMENT, "0 <= p <= 1");
    refused(fl_random_geometric(&span_, FL_FLOAT32, out_, bad), FL_INVALID_ARGUMENT, "0 < p <= 1");
    refused(fl_random_dropout(&span_, FL_FLOAT32, out_, out_, nullptr, bad), FL_INVALID_ARGUMENT, "0 <= p <= 1");
  }
  refused(fl_random_geometric(&span_, FL_FLOAT32, out_, 0), FL_INVALID_ARGUMENT, "0 < p <= 1");
  for (const auto& [from, to] : {std::pair{1.0, 0.0}, {nan, 1.0}, {0.0, 1e39}, {-3e38, 3e38}}) {
    refused(fl_random_uniform(&span_, FL_FLOAT32, out_, from, to), FL_INVALID_ARGUMENT, "bounds");
    refused(fl_random_rrelu(&span_, FL_FLOAT32, out_, out_, out_, from, to), FL_INVALID_ARGUMENT, "bounds");
  }
}

TEST_F(Arguments, spans_that_name_no_elements_are_refused) {
  refused(fl_random_uniform(nullptr, FL_FLOAT32, out_, 0, 1), FL_INVALID_ARGUMENT, "span is NULL");
  for (const fl_random_span& bad : {fl_random_span{1, 2, 0, 8}, fl_random_span{1, 0, -1, 8},
                                    fl_random_span{1, 0, 0, -8}, fl_random_span{1, 0, INT64_MAX - 4, 8}}) {
    refused(fl_random_uniform(&bad, FL_FLOAT32, out_, 0, 1), FL_INVALID_ARGUMENT, bad.offset ? "offset" : "first");
  }
  refused(fl_random_permutation(1, 3, FL_FLOAT32, out_, 8), FL_INVALID_ARGUMENT, "offset");
  refused(fl_random_uniform(&span_, FL_FLOAT32, nullptr, 0, 1), FL_INVALID_ARGUMENT, "out is NULL");
  refused(fl_random_dropout(&span_, FL_FLOAT32, nullptr, out_, nullptr, 0.5), FL_INVALID_ARGUMENT, "in is NULL");
}

TEST_F(Arguments, dtypes_without_a_kernel_are_refused) {
  refused(fl_random_uniform(&span_, FL_INT32, out_, 0, 1), FL_UNSUPPORTED, "int32");
  refused(fl_random_normal(&span_, FL_BOOL, out_, 0, 1), FL_UNSUPPORTED, "bool");
  refused(fl_random_geometric(&span_, FL_BOOL, out_, 0.5), FL_UNSUPPORTED, "bool");
  refused(fl_random_dropout(&span_, FL_INT64, out_, out_, nullptr, 0.5), FL_UNSUPPORTED, "int64");
  refused(fl_random_bernoulli(&span_, static_cast<fl_dtype>(15), out_, 0.5), FL_UNSUPPORTED, "15");
}

TEST_F(Arguments, probabilities_that_are_none_are_refused) {
  for (float bad : {-0.1f, 1.1f, NAN}) {
    std::vector<float> p(70000, 0.5f), out(70000);
    p[69999] = bad;
    const fl_random_span span{1, 0, 0, 70000};
    EXPECT_EQ(fl_random_bernoulli_tensor(&span, FL_FLOAT32, out.data(), FL_FLOAT32, p.data()), FL_INVALID_ARGUMENT);
  }
  int64_t drawn[4];
  for (float bad : {-0.1f, INFINITY, NAN}) {
    for (int32_t replacement : {0, 1}) {
      const float p[] = {0.5f, 0.5f, 0.5f, bad};
      EXPECT_EQ(fl_random_multinomial(1, 0, FL_FLOAT32, p, 2, 2, 2, replacement, drawn), FL_INVALID_ARGUMENT);
      EXPECT_NE(std::string(fl_last_error()).find("negative, infinite or NaN"), std::string::npos);
    }
  }
  const float zeros[] = {0, 0};
  for (int32_t replacement : {0, 1}) {
    EXPECT_EQ(fl_random_multinomial(1, 0, FL_FLOAT32, zeros, 1, 2, 2, replacement, drawn), FL_INVALID_ARGUMENT);
    EXPECT_NE(std::string(fl_last_error()).find("sum to 0"), std::string::npos);
  }
  const float fair[] = {1, 1};
  EXPECT_EQ(fl_random_multinomial(1, 0, FL_FLOAT32, fair, 1, 2, 3, 0, drawn), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_random_multinomial(1, 0, FL_FLOAT32, fair, 1, 0, 0, 1, drawn), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_random_multinomial(1, 0, FL_INT64, fair, 1, 2, 1, 1, drawn), FL_UNSUPPORTED);
}

TEST_F(Arguments, permutations_that_the_dtype_cannot_hold_are_refused) {
  std::vector<char> out(1 << 13);
  for (const auto& [dtype, most] : {std::pair{FL_UINT8, 256}, {FL_INT8, 128}, {FL_FLOAT16, 2049}, {FL_BFLOAT16, 257}}) {
    EXPECT_EQ(fl_random_permutation(1, 0, dtype, out.data(), most), FL_OK) << fl_last_error();
    EXPECT_EQ(fl_random_permutation(1, 0, dtype, out.data(), most + 1), FL_INVALID_ARGUMENT);
  }
  EXPECT_EQ(fl_random_permutation(1, 0, FL_BOOL, out.data(), 2), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_random_permutation(1, 0, FL_INT64, out.data(), -1), FL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace fl::random::testing
