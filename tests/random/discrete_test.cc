// The discrete distributions, in each dtype: chi-square over the values, mean and variance where the dtype holds them.
#include <cmath>

#include "sample.h"
#include "statistics.h"

namespace fl::random::testing {
namespace {

constexpr int64_t kCount = 1'000'003;

class Discrete : public ::testing::TestWithParam<fl_dtype> {
 protected:
  template <class Call>
  std::vector<double> draw(uint64_t seed, Call call) {
    return as_doubles(GetParam(), bytes_of({seed, 1 << 12, 0, kCount}, GetParam(), call));
  }
};

// counts[k] for values low, low + 1, ...; the last cell holds all above. A value below is a failure.
std::vector<int64_t> tally(const std::vector<double>& values, double low, size_t cells) {
  std::vector<int64_t> counts(cells);
  for (double x : values) {
    EXPECT_GE(x, low);
    EXPECT_EQ(x, std::floor(x));
    ++counts[std::min(cells - 1, static_cast<size_t>(std::max(0.0, x - low)))];
  }
  return counts;
}

TEST_P(Discrete, bernoulli) {
  for (double p : {0.5, 0.1, 0.99}) {
    const std::vector<double> values =
        draw(31, [=](auto* span, fl_dtype dtype, void* out) { return fl_random_bernoulli(span, dtype, out, p); });
    EXPECT_GT(chi_square_p(tally(values, 0, 2), {1 - p, p}), kLeastP) << p;
  }
}

TEST_P(Discrete, bernoulli_with_a_probability_an_element) {
  std::vector<double> p(kCount);
  for (size_t i = 0; i < p.size(); ++i) p[i] = static_cast<double>(i % 11) / 10;
  const std::vector<double> values = draw(32, [&](auto* span, fl_dtype dtype, void* out) {
    return fl_random_bernoulli_tensor(span, dtype, out, FL_FLOAT64, p.data());
  });
  for (size_t k = 0; k <= 10; ++k) {
    std::vector<int64_t> counts(2);
    for (size_t i = k; i < values.size(); i += 11) ++counts[static_cast<size_t>(values[i])];
    const double one = static_cast<double>(k) / 10;
    EXPECT_GT(chi_square_p(counts, {1 - one, one}), kLeastP) << one;
  }
}

TEST_P(Discrete, geometric) {
  if (GetParam() == FL_BOOL) return;  // refused: see arguments_test.cc
  const double p = 0.125;
  const std::vector<double> values =
      draw(33, [=](auto* span, fl_dtype dtype, void* out) { return fl_random_geometric(span, dtype, out, p); });
  std::vector<double> probabilities;
  double left = 1;
  for (int k = 0; k < 60; ++k, left *= 1 - p) probabilities.push_back(left * p);
  probabilities.push_back(left);
  EXPECT_GT(chi_square_p(tally(values, 1, probabilities.size()), probabilities), kLeastP);
  const double variance = (1 - p) / (p * p), n = kCount;
  EXPECT_GT(normal_p(moments(values).mean, 1 / p, std::sqrt(variance / n)), kLeastP);
  EXPECT_GT(normal_p(moments(values).variance, variance, std::sqrt(variance * variance * 8.3 / n)), kLeastP);
}

TEST_P(Discrete, integers_of_a_small_range) {
  if (GetParam() == FL_BOOL) {  // value != 0
    const std::vector<double> values =
        draw(34, [](auto* span, fl_dtype dtype, void* out) { return fl_random_integers(span, dtype, out, 0, 100); });
    EXPECT_GT(chi_square_p(tally(values, 0, 2), {0.01, 0.99}), kLeastP);
    return;
  }
  const std::vector<double> values =
      draw(34, [](auto* span, fl_dtype dtype, void* out) { return fl_random_integers(span, dtype, out, 7, 100); });
  EXPECT_GT(chi_square_p(tally(values, 7, 100)), kLeastP);
  const double n = kCount, variance = (100.0 * 100 - 1) / 12;
  EXPECT_GT(normal_p(moments(values).mean, 56.5, std::sqrt(variance / n)), kLeastP);
  EXPECT_GT(normal_p(moments(values).variance, variance, std::sqrt(variance * variance * 0.8 / n)), kLeastP);
}

TEST_P(Discrete, integers_of_the_natural_range) {
  const uint64_t range = fl_random_natural_range(GetParam());
  const std::vector<double> values =
      draw(35, [=](auto* span, fl_dtype dtype, void* out) { return fl_random_integers(span, dtype, out, 0, range); });
  const double width = range == 0 ? 0x1p64 : static_cast<double>(range);
  const size_t cells = range != 0 && range < 512 ? static_cast<size_t>(range) : 500;
  std::vector<int64_t> counts(cells);
  for (double x : values) {
    ASSERT_TRUE(x >= 0 && x <= width);
    ++counts[std::min(cells - 1, static_cast<size_t>(x / width * static_cast<double>(cells)))];
  }
  // Cells of a range that they do not divide hold one value more or less.
  std::vector<double> probabilities(cells, 1.0 / static_cast<double>(cells));
  if (width < 1e6) {
    probabilities.assign(cells, 0);
    for (double x = 0; x < width; ++x) {
      probabilities[static_cast<size_t>(x / width * static_cast<double>(cells))] += 1 / width;
    }
  }
  EXPECT_GT(chi_square_p(counts, probabilities), kLeastP);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Discrete, ::testing::ValuesIn(kDtypes),
                         [](const auto& param) { return std::string(traits_of(param.param)->name); });

// Ranges at which a remainder would be visibly unfair: three quarters of the words of 32 and 64 bits.
TEST(Integers, are_fair_where_a_remainder_is_not) {
  for (uint64_t range : {uint64_t{3} << 30, uint64_t{3} << 62}) {
    std::vector<uint64_t> values(kCount);
    const fl_random_span span{36, 0, 0, kCount};
    ASSERT_EQ(fl_random_integers(&span, FL_UINT64, values.data(), 0, range), FL_OK);
    std::vector<int64_t> counts(3);
    for (uint64_t x : values) ++counts[x / (range / 3)];
    EXPECT_GT(chi_square_p(counts), kLeastP) << range;
  }
}

TEST(Dropout, keeps_each_element_with_probability_1_minus_p) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const std::vector<char> in = from_doubles(dtype, std::vector<double>(kCount, 1.0));
    std::vector<char> out = memory(dtype, kCount);
    std::vector<uint8_t> mask(kCount);
    const fl_random_span span{37, 0, 0, kCount};
    ASSERT_EQ(fl_random_dropout(&span, dtype, in.data(), out.data(), mask.data(), 0.1), FL_OK);
    std::vector<int64_t> counts(2);
    for (uint8_t kept : mask) ++counts[kept];
    EXPECT_GT(chi_square_p(counts, {0.1, 0.9}), kLeastP) << traits_of(dtype)->name;
  }
}

}  // namespace
}  // namespace fl::random::testing
