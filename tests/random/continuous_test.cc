// The continuous distributions, in each dtype: Kolmogorov-Smirnov, mean, variance.
#include <cmath>

#include "sample.h"
#include "statistics.h"

namespace fl::random::testing {
namespace {

constexpr int64_t kCount = 1'000'003;
constexpr double kPi = 3.14159265358979323846;

double normal_cdf(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

class Continuous : public ::testing::TestWithParam<fl_dtype> {
 protected:
  template <class Call>
  std::vector<double> draw(uint64_t seed, Call call) {
    return as_doubles(GetParam(), bytes_of({seed, 1 << 12, 0, kCount}, GetParam(), call));
  }

  // cdf is that of the exact variable; results are rounded to the nearest value of the dtype, so x stands for all that
  // lies below the midpoint to the next value.
  double distance_p(std::vector<double> values, const std::function<double(double)>& cdf) {
    const fl_dtype dtype = GetParam();
    return kolmogorov_smirnov_p(std::move(values), [=](double x) {
      // Between two values of the dtype (the test asks just below each, too), the lower one counts.
      double at = as_doubles(dtype, from_doubles(dtype, {x}))[0];
      if (at > x) at = -next_above(dtype, -at);
      return cdf(at + (next_above(dtype, at) - at) / 2);
    });
  }

  // Rounding adds at most a part in 2^9 of a value, without direction.
  void check_moments(const std::vector<double>& values, double mean, double variance, double fourth) {
    const auto n = static_cast<double>(values.size());
    const Moments m = moments(values);
    EXPECT_GT(normal_p(m.mean, mean, std::sqrt(variance / n)), kLeastP) << m.mean;
    EXPECT_GT(normal_p(m.variance, variance, std::sqrt((fourth - variance * variance) / n)), kLeastP) << m.variance;
  }
};

TEST_P(Continuous, uniform) {
  for (const auto& [from, to] : {std::pair{0.0, 1.0}, {-3.0, 5.0}}) {
    const std::vector<double> values =
        draw(21, [=](auto* span, fl_dtype dtype, void* out) { return fl_random_uniform(span, dtype, out, from, to); });
    const double width = to - from, top = -next_above(GetParam(), -to);
    EXPECT_GT(distance_p(values, [=](double x) { return x >= top ? 1 : std::max(0.0, (x - from) / width); }), kLeastP);
    // What would round to `to` is the value below it: the mean is lower by that, which shows in bfloat16.
    const double mean = (from + to) / 2 - (to - top) / 2 * (to - top) / width;
    check_moments(values, mean, width * width / 12, std::pow(width, 4) / 80);
  }
}

TEST_P(Continuous, normal) {
  const std::vector<double> values =
      draw(22, [](auto* span, fl_dtype dtype, void* out) { return fl_random_normal(span, dtype, out, 0.5, 2); });
  EXPECT_GT(distance_p(values, [](double x) { return normal_cdf((x - 0.5) / 2); }), kLeastP);
  check_moments(values, 0.5, 4, 3 * 16);
}

// Tails: how many of 1e6 lie beyond 3, 4 and 4.5 deviations, on each side.
TEST_P(Continuous, normal_tails) {
  const std::vector<double> values =
      draw(23, [](auto* span, fl_dtype dtype, void* out) { return fl_random_normal(span, dtype, out, 0, 1); });
  for (double z : {3.0, 4.0, 4.5}) {
    for (int sign : {-1, 1}) {
      const auto beyond =
          static_cast<double>(std::count_if(values.begin(), values.end(), [=](double x) { return sign * x > z; }));
      const double step = next_above(GetParam(), z) - z;
      const double expected = kCount * normal_cdf(-(z + step / 2));
      EXPECT_GT(upper_gamma(expected, beyond), kLeastP) << beyond << " beyond " << z << ", expected " << expected;
      EXPECT_LT(upper_gamma(expected, beyond), 1 - kLeastP) << beyond << " beyond " << z << ", expected " << expected;
    }
  }
}

TEST_P(Continuous, log_normal) {
  const std::vector<double> values =
      draw(24, [](auto* span, fl_dtype dtype, void* out) { return fl_random_log_normal(span, dtype, out, 0.25, 0.5); });
  EXPECT_GT(distance_p(values, [](double x) { return x <= 0 ? 0 : normal_cdf((std::log(x) - 0.25) / 0.5); }), kLeastP);
  const double s = 0.25, mean = std::exp(0.25 + s / 2), variance = (std::exp(s) - 1) * mean * mean;
  const double kurtosis = std::exp(4 * s) + 2 * std::exp(3 * s) + 3 * std::exp(2 * s) - 3;
  check_moments(values, mean, variance, kurtosis * variance * variance);
}

TEST_P(Continuous, exponential) {
  const std::vector<double> values =
      draw(25, [](auto* span, fl_dtype dtype, void* out) { return fl_random_exponential(span, dtype, out, 1.5); });
  EXPECT_GT(distance_p(values, [](double x) { return x <= 0 ? 0 : -std::expm1(-1.5 * x); }), kLeastP);
  check_moments(values, 1 / 1.5, 1 / 2.25, 9 / (2.25 * 2.25));
}

TEST_P(Continuous, cauchy) {
  const std::vector<double> values =
      draw(26, [](auto* span, fl_dtype dtype, void* out) { return fl_random_cauchy(span, dtype, out, 0.5, 2); });
  EXPECT_GT(distance_p(values, [](double x) { return 0.5 + std::atan((x - 0.5) / 2) / kPi; }), kLeastP);
}

TEST_P(Continuous, rrelu_noise) {
  const std::vector<char> in = from_doubles(GetParam(), std::vector<double>(kCount, -1.0));
  const std::vector<double> values = draw(27, [&](auto* span, fl_dtype dtype, void* noise) {
    std::vector<char> out = memory(dtype, span->count);
    return fl_random_rrelu(span, dtype, in.data(), out.data(), noise, 0, 1);
  });
  const double top = -next_above(GetParam(), -1.0);
  EXPECT_GT(distance_p(values, [=](double x) { return x >= top ? 1 : std::max(0.0, x); }), kLeastP);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Continuous, ::testing::ValuesIn(kFloatingDtypes),
                         [](const auto& param) { return std::string(traits_of(param.param)->name); });

// The tests themselves must be able to fail: a uniform that is off by a part in a thousand, a normal with a wrong
// scale.
TEST(Statistics, see_small_errors) {
  std::vector<double> values(1'000'000);
  const fl_random_span span{28, 0, 0, 1'000'000};
  ASSERT_EQ(fl_random_uniform(&span, FL_FLOAT64, values.data(), 0, 1), FL_OK);
  EXPECT_GT(kolmogorov_smirnov_p(values, [](double x) { return x; }), kLeastP);
  EXPECT_LT(kolmogorov_smirnov_p(values, [](double x) { return std::pow(x, 1.01); }), kLeastP);
  ASSERT_EQ(fl_random_normal(&span, FL_FLOAT64, values.data(), 0, 1), FL_OK);
  EXPECT_LT(kolmogorov_smirnov_p(values, [](double x) { return normal_cdf(x * 1.01); }), kLeastP);
  EXPECT_LT(chi_square_p({500'000, 504'000}), kLeastP);
  EXPECT_NEAR(upper_gamma(2.5, 1.0), 0.849145, 1e-6);
  EXPECT_NEAR(upper_gamma(2.5, 7.0), 0.015609, 1e-6);
  EXPECT_NEAR(kolmogorov_p(0.0016276, 1e6), 0.01, 1e-4);
}

}  // namespace
}  // namespace fl::random::testing
