// The ends of the distributions: what must never come out, and what parameters at their limits give.
#include <cmath>

#include "calls.h"

namespace fl::random::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kMany = 1 << 20;

std::vector<double> sample(fl_dtype dtype, auto function, auto... parameters) {
  return as_doubles(dtype, bytes_of({2, 0, 0, kMany}, dtype, [&](auto* span, fl_dtype type, void* out) {
                      return function(span, type, out, parameters...);
                    }));
}

TEST(Bounds, uniform_reaches_from_and_never_to) {
  for (fl_dtype dtype : kFloatingDtypes) {
    for (const auto& [from, to] : {std::pair{0.0, 1.0}, {1.0, 2.0}, {-2.0, -1.0}, {-1.0, 0.0}, {1000.0, 1001.0}}) {
      for (double x : sample(dtype, fl_random_uniform, from, to)) {
        ASSERT_GE(x, from);
        if (from == 1000 && dtype == FL_BFLOAT16)
          ASSERT_EQ(x, 1000);  // 1001 rounds to 1000: the interval is empty
        else
          ASSERT_LT(x, to) << traits_of(dtype)->name;
      }
    }
    const std::vector<double> point = sample(dtype, fl_random_uniform, 0.5, 0.5);
    EXPECT_EQ(point, std::vector<double>(point.size(), 0.5));
  }
  // In 16 bits both ends are met; the upper one is the last value below `to`.
  const std::vector<double> half = sample(FL_FLOAT16, fl_random_uniform, 1.0, 2.0);
  EXPECT_EQ(*std::min_element(half.begin(), half.end()), 1.0);
  EXPECT_EQ(*std::max_element(half.begin(), half.end()), 2.0 - 0x1p-10);
}

TEST(Bounds, exponential_is_never_0_nor_infinite) {
  for (fl_dtype dtype : kFloatingDtypes) {
    for (double lambda : {1.0, 1e4, 1e-4}) {
      for (double x : sample(dtype, fl_random_exponential, lambda)) {
        ASSERT_GT(x, 0) << traits_of(dtype)->name;
        ASSERT_LT(x, kInfinity) << traits_of(dtype)->name;
      }
    }
    const std::vector<double> none = sample(dtype, fl_random_exponential, kInfinity);
    EXPECT_EQ(none, std::vector<double>(none.size(), 0.0));
  }
}

TEST(Bounds, cauchy_is_finite_around_a_finite_median) {
  for (fl_dtype dtype : kFloatingDtypes) {
    for (double x : sample(dtype, fl_random_cauchy, 0.0, 1.0)) ASSERT_TRUE(std::isfinite(x));
    for (double end : {kInfinity, -kInfinity}) {
      const std::vector<double> all = sample(dtype, fl_random_cauchy, end, 0.5);
      EXPECT_EQ(all, std::vector<double>(all.size(), end));
    }
  }
}

TEST(Bounds, normal_and_log_normal_take_infinite_means_and_a_deviation_of_0) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const size_t n = kMany;
    EXPECT_EQ(sample(dtype, fl_random_normal, 1.5, 0.0), std::vector<double>(n, 1.5));
    EXPECT_EQ(sample(dtype, fl_random_normal, -kInfinity, 2.0), std::vector<double>(n, -kInfinity));
    EXPECT_EQ(sample(dtype, fl_random_log_normal, kInfinity, 2.0), std::vector<double>(n, kInfinity));
    EXPECT_EQ(sample(dtype, fl_random_log_normal, -kInfinity, 2.0), std::vector<double>(n, 0.0));
  }
}

TEST(Bounds, bernoulli_is_certain_at_0_and_1) {
  for (fl_dtype dtype : kDtypes) {
    for (double p : {0.0, 1.0}) {
      EXPECT_EQ(sample(dtype, fl_random_bernoulli, p), std::vector<double>(kMany, p)) << traits_of(dtype)->name;
      const std::vector<float> each(kMany, static_cast<float>(p));
      EXPECT_EQ(sample(dtype, fl_random_bernoulli_tensor, FL_FLOAT32, each.data()), std::vector<double>(kMany, p));
    }
  }
}

TEST(Bounds, bernoulli_of_a_tensor_equals_the_scalar_one) {
  const std::vector<double> each(kMany, 0.3);
  EXPECT_EQ(sample(FL_FLOAT32, fl_random_bernoulli_tensor, FL_FLOAT64, each.data()),
            sample(FL_FLOAT32, fl_random_bernoulli, 0.3));
}

TEST(Bounds, geometric_is_at_least_1_and_saturates) {
  for (fl_dtype dtype : kDtypes) {
    if (dtype == FL_BOOL) continue;
    EXPECT_EQ(sample(dtype, fl_random_geometric, 1.0), std::vector<double>(kMany, 1.0));
    const std::vector<double> rare = sample(dtype, fl_random_geometric, 1e-40);
    const double largest = traits_of(dtype)->floating ? traits_of(dtype)->largest
                           : dtype == FL_UINT64       ? 0x1p64
                           : dtype == FL_INT64        ? 0x1p63
                                                      : static_cast<double>(traits_of(dtype)->natural_range - 1);
    for (double x : rare) ASSERT_TRUE(x >= 1 && x <= largest) << traits_of(dtype)->name << " " << x;
    if (!traits_of(dtype)->floating) {
      EXPECT_EQ(rare, std::vector<double>(kMany, largest)) << traits_of(dtype)->name;
    }
  }
}

TEST(Bounds, dropout_keeps_all_at_0_and_none_at_1) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const std::vector<double> values = {1.0, -2.0, 0.5, 3.0};
    const std::vector<char> in = from_doubles(dtype, values);
    std::vector<char> out = memory(dtype, 4);
    uint8_t mask[4];
    const fl_random_span span{1, 0, 0, 4};
    ASSERT_EQ(fl_random_dropout(&span, dtype, in.data(), out.data(), mask, 0.0), FL_OK);
    EXPECT_EQ(as_doubles(dtype, out), values);
    EXPECT_EQ(std::vector<int>(mask, mask + 4), (std::vector<int>{1, 1, 1, 1}));
    ASSERT_EQ(fl_random_dropout(&span, dtype, in.data(), out.data(), mask, 1.0), FL_OK);
    EXPECT_EQ(as_doubles(dtype, out), (std::vector<double>{0, 0, 0, 0}));
    EXPECT_EQ(std::vector<int>(mask, mask + 4), (std::vector<int>{0, 0, 0, 0}));
  }
}

TEST(Bounds, dropout_works_in_place_without_a_mask_and_scales_what_it_keeps) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const fl_random_span span{1, 0, 0, 5000};
    const std::vector<char> in = inputs(dtype, span, 3.0, 1.0);
    std::vector<char> apart = memory(dtype, 5000), in_place = in;
    std::vector<uint8_t> mask(5000);
    ASSERT_EQ(fl_random_dropout(&span, dtype, in.data(), apart.data(), mask.data(), 0.75), FL_OK);
    ASSERT_EQ(fl_random_dropout(&span, dtype, in_place.data(), in_place.data(), nullptr, 0.75), FL_OK);
    EXPECT_EQ(apart, in_place);
    const std::vector<double> from = as_doubles(dtype, in), to = as_doubles(dtype, apart);
    for (size_t i = 0; i < from.size(); ++i) ASSERT_EQ(to[i], mask[i] ? from[i] * 4 : 0.0);
  }
}

TEST(Bounds, dropout_leaves_a_dropped_nan_or_infinity_nan_as_the_cpu_does) {
  const float in[] = {NAN, INFINITY};
  float out[2];
  const fl_random_span span{1, 0, 0, 2};
  ASSERT_EQ(fl_random_dropout(&span, FL_FLOAT32, in, out, nullptr, 1.0), FL_OK);
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
}

TEST(Bounds, rrelu_changes_only_what_is_not_positive) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const fl_random_span span{1, 0, 0, 5000};
    const std::vector<char> in = inputs(dtype, span, 4.0, -2.0);
    std::vector<char> out = memory(dtype, 5000), noise = out;
    ASSERT_EQ(fl_random_rrelu(&span, dtype, in.data(), out.data(), noise.data(), 0.125, 0.25), FL_OK);
    const std::vector<double> from = as_doubles(dtype, in), to = as_doubles(dtype, out),
                              factor = as_doubles(dtype, noise);
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] > 0) {
        ASSERT_EQ(factor[i], 1.0);
      } else {
        ASSERT_TRUE(factor[i] >= 0.125 && factor[i] < 0.25);
      }
      ASSERT_EQ(to[i], as_doubles(dtype, from_doubles(dtype, {from[i] * factor[i]}))[0]);
    }
  }
}

TEST(Bounds, integers_reach_both_ends_of_small_ranges_and_no_further) {
  for (fl_dtype dtype : kDtypes) {
    if (dtype == FL_BOOL) continue;
    std::vector<double> values = sample(dtype, fl_random_integers, int64_t{3}, uint64_t{5});
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    EXPECT_EQ(values, (std::vector<double>{3, 4, 5, 6, 7})) << traits_of(dtype)->name;
  }
  EXPECT_EQ(sample(FL_INT64, fl_random_integers, INT64_MAX, uint64_t{1}), std::vector<double>(kMany, 0x1p63));
}

TEST(Bounds, natural_ranges_are_those_of_random_without_bounds) {
  EXPECT_EQ(fl_random_natural_range(FL_BOOL), 2u);
  EXPECT_EQ(fl_random_natural_range(FL_INT8), 128u);
  EXPECT_EQ(fl_random_natural_range(FL_INT64), uint64_t{1} << 63);
  EXPECT_EQ(fl_random_natural_range(FL_UINT64), 0u);
  EXPECT_EQ(fl_random_natural_range(FL_FLOAT16), 2049u);
  EXPECT_EQ(fl_random_natural_range(FL_BFLOAT16), 257u);
  EXPECT_EQ(fl_random_natural_range(FL_FLOAT32), (1u << 24) + 1);
  EXPECT_EQ(fl_random_natural_range(FL_FLOAT64), (uint64_t{1} << 53) + 1);
}

TEST(Bounds, no_elements_need_no_memory) {
  const fl_random_span none{1, 4, 9, 0};
  EXPECT_EQ(fl_random_uniform(&none, FL_FLOAT32, nullptr, 0, 1), FL_OK);
  EXPECT_EQ(fl_random_dropout(&none, FL_FLOAT32, nullptr, nullptr, nullptr, 0.5), FL_OK);
  EXPECT_EQ(fl_random_permutation(1, 4, FL_INT64, nullptr, 0), FL_OK);
  EXPECT_EQ(fl_random_multinomial(1, 4, FL_FLOAT32, nullptr, 0, 3, 2, 1, nullptr), FL_OK);
}

}  // namespace
}  // namespace fl::random::testing
