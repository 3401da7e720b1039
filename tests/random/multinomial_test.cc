#include <cmath>
#include <set>

#include "sample.h"
#include "statistics.h"

namespace fl::random::testing {
namespace {

std::vector<int64_t> multinomial(uint64_t offset, fl_dtype dtype, const std::vector<double>& row, int64_t rows,
                                 int64_t samples, int32_t replacement) {
  std::vector<double> all;
  for (int64_t r = 0; r < rows; ++r) all.insert(all.end(), row.begin(), row.end());
  const std::vector<char> p = from_doubles(dtype, all);
  std::vector<int64_t> out(static_cast<size_t>(rows * samples), -1);
  EXPECT_EQ(fl_random_multinomial(51, offset, dtype, p.data(), rows, static_cast<int64_t>(row.size()), samples,
                                  replacement, out.data()),
            FL_OK)
      << fl_last_error();
  return out;
}

std::vector<double> normalised(std::vector<double> row) {
  double sum = 0;
  for (double p : row) sum += p;
  for (double& p : row) p /= sum;
  return row;
}

const std::vector<double> kRow = {0.5, 0, 0.25, 2, 1, 0, 0.125, 4};  // exact in every dtype, and not summing to 1

TEST(Multinomial, with_replacement_follows_the_probabilities) {
  for (fl_dtype dtype : kFloatingDtypes) {
    std::vector<int64_t> counts(kRow.size());
    for (int64_t category : multinomial(0, dtype, kRow, 4, 250'000, 1)) ++counts[static_cast<size_t>(category)];
    EXPECT_EQ(counts[1], 0);
    EXPECT_EQ(counts[5], 0);
    EXPECT_GT(chi_square_p(counts, normalised(kRow)), kLeastP) << traits_of(dtype)->name;
  }
}

TEST(Multinomial, one_sample_without_replacement_follows_the_probabilities) {
  std::vector<int64_t> counts(kRow.size());
  for (int64_t category : multinomial(0, FL_FLOAT32, kRow, 1'000'000, 1, 0)) ++counts[static_cast<size_t>(category)];
  EXPECT_EQ(counts[1] + counts[5], 0);
  EXPECT_GT(chi_square_p(counts, normalised(kRow)), kLeastP);
}

// Successive draws: the pair (a, b) has probability p_a * p_b / (1 - p_a).
TEST(Multinomial, without_replacement_draws_in_succession) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const std::vector<double> p = normalised(kRow);
    const size_t k = p.size();
    std::vector<int64_t> counts(k * k);
    std::vector<double> probabilities(k * k);
    for (size_t a = 0; a < k; ++a) {
      for (size_t b = 0; b < k; ++b) probabilities[a * k + b] = a == b ? 0 : p[a] * p[b] / (1 - p[a]);
    }
    const std::vector<int64_t> drawn = multinomial(0, dtype, kRow, 500'000, 2, 0);
    for (size_t i = 0; i < drawn.size(); i += 2)
      ++counts[static_cast<size_t>(drawn[i]) * k + static_cast<size_t>(drawn[i + 1])];
    for (size_t a = 0; a < k; ++a) EXPECT_EQ(counts[a * k + a], 0);
    EXPECT_GT(chi_square_p(counts, probabilities), kLeastP) << traits_of(dtype)->name;
  }
}

TEST(Multinomial, without_replacement_gives_each_category_once_and_the_impossible_ones_last) {
  const std::vector<int64_t> drawn = multinomial(0, FL_FLOAT64, kRow, 1000, 8, 0);
  for (size_t row = 0; row < 1000; ++row) {
    const auto begin = drawn.begin() + static_cast<std::ptrdiff_t>(row * 8);
    EXPECT_EQ(std::set<int64_t>(begin, begin + 8).size(), 8u);
    EXPECT_EQ(begin[6], 1);
    EXPECT_EQ(begin[7], 5);
  }
}

TEST(Multinomial, a_million_categories_are_all_within_reach) {
  const std::vector<double> even(1 << 20, 1.0);
  std::vector<int64_t> counts(256);
  for (int64_t category : multinomial(0, FL_FLOAT32, even, 1, 1'000'000, 1))
    ++counts[static_cast<size_t>(category >> 12)];
  EXPECT_GT(chi_square_p(counts), kLeastP);
  counts.assign(256, 0);
  for (int64_t category : multinomial(0, FL_FLOAT32, even, 1, 100'000, 0))
    ++counts[static_cast<size_t>(category >> 12)];
  EXPECT_GT(chi_square_p(counts), kLeastP);
}

TEST(Multinomial, the_only_possible_category_is_always_drawn) {
  for (size_t only : {0u, 3u, 7u}) {
    std::vector<double> row(8, 0.0);
    row[only] = 1e-30;
    for (int64_t category : multinomial(0, FL_FLOAT32, row, 10, 1000, 1))
      ASSERT_EQ(category, static_cast<int64_t>(only));
  }
}

TEST(Multinomial, rows_differ_and_the_next_call_does_too) {
  const std::vector<double> even(1000, 1.0);
  const std::vector<int64_t> two = multinomial(0, FL_FLOAT32, even, 2, 100, 1);
  EXPECT_FALSE(std::equal(two.begin(), two.begin() + 100, two.begin() + 100));
  const std::vector<int64_t> next =
      multinomial(fl_random_multinomial_advance(2, 1000, 100, 1), FL_FLOAT32, even, 2, 100, 1);
  EXPECT_NE(two, next);
}

}  // namespace
}  // namespace fl::random::testing
