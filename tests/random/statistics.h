// P-values: how likely is a deviation as large as this one, if the numbers are what they claim to be. Tests ask for
// more than 1e-4; their seeds are fixed, so what passes once passes always.
#ifndef FLAGOS_TESTS_RANDOM_STATISTICS_H_
#define FLAGOS_TESTS_RANDOM_STATISTICS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace fl::random::testing {

constexpr double kLeastP = 1e-4;

// Kolmogorov's limiting distribution with Stephens' correction for finite n.
inline double kolmogorov_p(double distance, double n) {
  const double x = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  double sum = 0;
  for (int k = 1; k <= 100; ++k) sum += (k % 2 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return x < 0.2 ? 1.0 : std::clamp(sum, 0.0, 1.0);
}

// The Kolmogorov-Smirnov test for values that were rounded: at_most(x) is the probability that a result is x or less,
// rounding included. For a distribution of few values the test is conservative.
inline double kolmogorov_smirnov_p(std::vector<double> values, const std::function<double(double)>& at_most) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0, before = 0;
  for (size_t i = 0; i < values.size();) {
    const double x = values[i];
    while (i < values.size() && values[i] == x) ++i;
    const double below = at_most(std::nextafter(x, -std::numeric_limits<double>::infinity()));
    distance = std::max({distance, std::fabs(static_cast<double>(i) / n - at_most(x)), std::fabs(before - below)});
    before = static_cast<double>(i) / n;
  }
  return kolmogorov_p(distance, n);
}

// Q(a, x), the regularised upper incomplete gamma function: by its series below a + 1, its continued fraction above.
inline double upper_gamma(double a, double x) {
  if (x <= 0) return 1;
  const double scale = std::exp(-x + a * std::log(x) - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (double k = a + 1; term > sum * 1e-15; ++k) sum += term *= x / k;
    return 1 - sum * scale;
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, fraction = d;
  for (int k = 1; k < 100000; ++k) {
    const double numerator = -k * (k - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= c * d;
    if (std::fabs(c * d - 1) < 1e-14) break;
  }
  return fraction * scale;
}

// Pearson's test of counts against probabilities. Cells expected to hold fewer than 10 are taken together.
inline double chi_square_p(const std::vector<int64_t>& counts, const std::vector<double>& probabilities) {
  double total = 0, statistic = 0, small_count = 0, small_expected = 0;
  for (int64_t count : counts) total += static_cast<double>(count);
  int cells = 0;
  const auto add = [&](double count, double expected) {
    statistic += (count - expected) * (count - expected) / expected;
    ++cells;
  };
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * total;
    if (expected >= 10) {
      add(static_cast<double>(counts[i]), expected);
    } else {
      small_count += static_cast<double>(counts[i]);
      small_expected += expected;
    }
  }
  if (small_expected >= 10)
    add(small_count, small_expected);
  else if (small_expected == 0 && small_count > 0)
    return 0;
  return upper_gamma((cells - 1) / 2.0, statistic / 2);
}

inline double chi_square_p(const std::vector<int64_t>& counts) {
  return chi_square_p(counts, std::vector<double>(counts.size(), 1.0 / static_cast<double>(counts.size())));
}

// The two-sided p-value of a sum or mean that is normal in the limit.
inline double normal_p(double observed, double expected, double deviation) {
  return std::erfc(std::fabs(observed - expected) / deviation / std::sqrt(2.0));
}

struct Moments {
  double mean, variance;
};
inline Moments moments(const std::vector<double>& values) {
  double mean = 0, variance = 0;
  for (double x : values) mean += x;
  mean /= static_cast<double>(values.size());
  for (double x : values) variance += (x - mean) * (x - mean);
  return {mean, variance / static_cast<double>(values.size() - 1)};
}

}  // namespace fl::random::testing

#endif  // FLAGOS_TESTS_RANDOM_STATISTICS_H_
