// Each function against long double, over inputs spread through its whole domain and crowded at its ends.
#include "random/elementary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fl::random {
namespace {

// The distance in units of the last place of the exact value in Real.
template <class Real>
double ulps(Real got, long double exact) {
  int exponent;
  std::frexp(static_cast<long double>(exact), &exponent);
  const int least = std::numeric_limits<Real>::min_exponent;
  const int digits = std::numeric_limits<Real>::digits;
  const long double unit = std::ldexp(1.0L, std::max(exponent, least) - digits);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / unit);
}

// Some words from everywhere, all from near the ends of the range and of its quarters.
std::vector<uint32_t> words32() {
  std::vector<uint32_t> words;
  for (uint64_t w = 0; w < uint64_t{1} << 32; w += 4099) words.push_back(static_cast<uint32_t>(w));
  for (uint32_t quarter = 0; quarter < 8; ++quarter) {
    for (uint32_t i = 0; i < 20000; ++i) {
      words.push_back((quarter << 29) + i);
      words.push_back((quarter << 29) - 1 - i);
    }
  }
  return words;
}
std::vector<uint64_t> words64() {
  std::vector<uint64_t> words;
  for (uint32_t w : words32()) words.push_back((static_cast<uint64_t>(w) << 32) + w * 2654435761u);
  for (uint64_t i = 0; i < 20000; ++i) {
    words.push_back(i << 10);
    words.push_back(~(i << 10));
  }
  return words;
}

template <class Word, class Function, class Exact>
double worst(const std::vector<Word>& words, Function function, Exact exact) {
  double most = 0;
  for (Word word : words) most = std::max(most, ulps(function(word), exact(word)));
  return most;
}

TEST(Elementary, minus_log_of_a_word_is_within_2_and_a_half_ulps) {
  const auto exact32 = [](uint32_t w) { return -std::log(((w >> 1) + 0.5L) / 0x1p31L); };
  const auto exact64 = [](uint64_t w) {
    const long double u = ((w >> 12) + 0.5L) / 0x1p52L;
    return u < 0.9L ? -std::log(u) : -std::log1p(-((~w >> 12) + 0.5L) / 0x1p52L);
  };
  EXPECT_LE(worst(
                words32(), [](uint32_t w) { return minus_log(w); }, exact32),
            2.5);
  EXPECT_LE(worst(
                words64(), [](uint64_t w) { return minus_log(w); }, exact64),
            2.0);
}

TEST(Elementary, minus_log_is_never_zero_nor_large) {
  EXPECT_EQ(minus_log(uint32_t{0xffffffff}), 0x1p-32f);
  EXPECT_EQ(minus_log(~uint64_t{0}), 0x1p-53);
  EXPECT_NEAR(minus_log(uint32_t{0}), 32 * std::log(2.0), 1e-5);
  EXPECT_NEAR(minus_log(uint64_t{0}), 53 * std::log(2.0), 1e-13);
}

template <class Real>
void check_circle_functions() {
  for (int i = -200000; i <= 200000; ++i) {
    const Real x = static_cast<Real>(kPiQuarter<double> * i / 200000);
    ASSERT_LE(ulps(sine(x), std::sin(static_cast<long double>(x))), 2.0) << x;
    ASSERT_LE(ulps(cosine(x), std::cos(static_cast<long double>(x))), 2.0) << x;
  }
}
TEST(Elementary, sine_and_cosine_are_within_2_ulps) {
  check_circle_functions<float>();
  check_circle_functions<double>();
}

TEST(Elementary, directions_are_on_the_circle_and_in_every_octant) {
  int octants[2] = {};
  for (uint32_t w : words32()) {
    const Direction<float> d = direction(w);
    ASSERT_NEAR(std::hypot(static_cast<double>(d.x), static_cast<double>(d.y)), 1.0, 2e-7);
    octants[0] |= 1 << ((d.x < 0) * 4 + (d.y < 0) * 2 + (std::fabs(d.x) < std::fabs(d.y)));
  }
  for (uint64_t w : words64()) {
    const Direction<double> d = direction(w);
    ASSERT_NEAR(std::hypot(d.x, d.y), 1.0, 4e-16);
    octants[1] |= 1 << ((d.x < 0) * 4 + (d.y < 0) * 2 + (std::fabs(d.x) < std::fabs(d.y)));
  }
  EXPECT_EQ(octants[0], 0xff);
  EXPECT_EQ(octants[1], 0xff);
}

TEST(Elementary, tangent_of_a_turn_is_within_4_and_a_half_ulps_up_to_the_pole) {
  constexpr long double kPi = 3.14159265358979323846264338327950288L;
  const auto exact32 = [](uint32_t w) {
    const uint32_t m = w & 0x7fffffff;
    const long double a =
        m < 0x40000000 ? std::tan(kPi * (m + 0.5L) / 0x1p32L) : 1 / std::tan(kPi * ((0x7fffffff - m) + 0.5L) / 0x1p32L);
    return w >> 31 ? -a : a;
  };
  const auto exact64 = [](uint64_t w) {
    const uint64_t m = w << 1 >> 12;
    const long double a = m < uint64_t{1} << 51 ? std::tan(kPi * (m + 0.5L) / 0x1p53L)
                                                : 1 / std::tan(kPi * (((uint64_t{1} << 52) - 1 - m) + 0.5L) / 0x1p53L);
    return w >> 63 ? -a : a;
  };
  EXPECT_LE(worst(
                words32(), [](uint32_t w) { return tangent_of_turn(w); }, exact32),
            4.5);
  EXPECT_LE(worst(
                words64(), [](uint64_t w) { return tangent_of_turn(w); }, exact64),
            4.0);
}

template <class Real>
void check_exponential(double from, double to) {
  for (int i = 0; i <= 400000; ++i) {
    const Real x = static_cast<Real>(from + (to - from) * i / 400000);
    ASSERT_LE(ulps(exponential(x), std::exp(static_cast<long double>(x))), 2.0) << x;
  }
  const Real infinity = std::numeric_limits<Real>::infinity();
  EXPECT_EQ(exponential(infinity), infinity);
  EXPECT_EQ(exponential(static_cast<Real>(to * 1.1)), infinity);
  EXPECT_EQ(exponential(-infinity), 0);
  EXPECT_EQ(exponential(Real{0}), 1);
  EXPECT_TRUE(std::isnan(exponential(std::numeric_limits<Real>::quiet_NaN())));
}
TEST(Elementary, exponential_is_within_2_ulps_from_underflow_to_overflow) {
  check_exponential<float>(-103.0, 88.7);
  check_exponential<double>(-744.0, 709.7);
}

TEST(Elementary, ceiling_is_that_of_the_library) {
  for (double x : {0.0, 0.25, 1.0, 1.5, 2.5, 8388607.5, 8388608.0, 1e10, 4503599627370495.5, 1e300}) {
    EXPECT_EQ(ceiling(x), std::ceil(x));
    if (x < 1e30) {
      EXPECT_EQ(ceiling(static_cast<float>(x)), std::ceil(static_cast<float>(x)));
    }
  }
}

}  // namespace
}  // namespace fl::random
