#include <cmath>
#include <map>
#include <numeric>

#include "sample.h"
#include "statistics.h"

namespace fl::random::testing {
namespace {

std::vector<int64_t> permutation(uint64_t seed, uint64_t offset, int64_t n) {
  std::vector<int64_t> out(static_cast<size_t>(n));
  EXPECT_EQ(fl_random_permutation(seed, offset, FL_INT64, out.data(), n), FL_OK) << fl_last_error();
  return out;
}

// Up to one bucket, at its limit, and with several.
TEST(Permutation, holds_each_number_once) {
  for (int64_t n : {1, 2, 3, 1000, 65536, 65537, 131073, 1000003}) {
    std::vector<int64_t> numbers = permutation(1, 4, n), expected(static_cast<size_t>(n));
    if (n > 3) {
      EXPECT_FALSE(std::is_sorted(numbers.begin(), numbers.end()));
    }
    std::sort(numbers.begin(), numbers.end());
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(numbers, expected) << n;
  }
}

TEST(Permutation, is_the_same_in_every_dtype) {
  const std::vector<int64_t> numbers = permutation(3, 8, 128);
  const std::vector<double> expected(numbers.begin(), numbers.end());
  for (fl_dtype dtype : kDtypes) {
    if (dtype == FL_BOOL) continue;
    std::vector<char> out = memory(dtype, 128);
    ASSERT_EQ(fl_random_permutation(3, 8, dtype, out.data(), 128), FL_OK) << fl_last_error();
    EXPECT_EQ(as_doubles(dtype, out), expected) << traits_of(dtype)->name;
  }
}

TEST(Permutation, each_order_of_six_is_equally_likely) {
  std::map<std::vector<int64_t>, int64_t> seen;
  constexpr int kCalls = 200'000;
  for (int call = 0; call < kCalls; ++call) ++seen[permutation(41, static_cast<uint64_t>(call) * 8, 6)];
  EXPECT_EQ(seen.size(), 720u);
  std::vector<int64_t> counts;
  for (const auto& [order, count] : seen) counts.push_back(count);
  EXPECT_GT(chi_square_p(counts), kLeastP);
}

// Where the numbers of each 64th part go; and whether neighbours stay together.
TEST(Permutation, spreads_a_million_over_all_places) {
  constexpr int64_t kN = 1 << 20, kParts = 64;
  const std::vector<int64_t> numbers = permutation(42, 0, kN);
  std::vector<int64_t> counts(kParts * kParts), gaps(64);
  for (int64_t place = 0; place < kN; ++place) {
    const int64_t number = numbers[static_cast<size_t>(place)];
    ++counts[static_cast<size_t>(place / (kN / kParts) * kParts + number / (kN / kParts))];
    if (place > 0)
      ++gaps[static_cast<size_t>((number - numbers[static_cast<size_t>(place) - 1] + kN) % kN / (kN / 64))];
  }
  EXPECT_GT(chi_square_p(counts), kLeastP);
  EXPECT_GT(chi_square_p(gaps), kLeastP);
  // The number of fixed points is Poisson(1); of neighbours that stayed neighbours, too.
  int fixed = 0, together = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    fixed += numbers[i] == static_cast<int64_t>(i);
    together += i > 0 && numbers[i] == numbers[i - 1] + 1;
  }
  EXPECT_LE(fixed, 7);
  EXPECT_LE(together, 7);
}

// The parity of a permutation is a fair coin: an off-by-one in a shuffle (Sattolo's cycle) makes it constant.
TEST(Permutation, is_odd_half_of_the_time) {
  std::vector<int64_t> counts(2);
  for (uint64_t call = 0; call < 20000; ++call) {
    const std::vector<int64_t> numbers = permutation(43, call * 12, 10);
    size_t inversions = 0;
    for (size_t i = 0; i < 10; ++i) {
      for (size_t j = 0; j < i; ++j) inversions += numbers[j] > numbers[i];
    }
    ++counts[inversions % 2];
  }
  EXPECT_GT(chi_square_p(counts), kLeastP);
}

}  // namespace
}  // namespace fl::random::testing
