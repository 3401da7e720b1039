// Calls that must have nothing in common: consecutive offsets, neighbouring seeds, neighbouring elements.
#include <algorithm>
#include <array>
#include <cmath>

#include "random/kernels.h"
#include "sample.h"
#include "statistics.h"

namespace fl::random::testing {
namespace {

constexpr int64_t kCount = 1'000'000;

std::vector<uint32_t> words(uint64_t seed, uint64_t offset, uint32_t draw = 0) {
  std::vector<uint32_t> out(kCount);
  kernels().words({seed, offset, 0, kCount}, draw, out.data());
  return out;
}

// The chi-square of pairs over 32 x 32 cells, by their upper and by their lower bits.
double pairs_p(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b, size_t lag = 0) {
  std::vector<int64_t> upper(1024), lower(1024);
  for (size_t i = 0; i + lag < a.size(); ++i) {
    ++upper[(a[i] >> 27) * 32 + (b[i + lag] >> 27)];
    ++lower[(a[i] & 31) * 32 + (b[i + lag] & 31)];
  }
  return std::min(chi_square_p(upper), chi_square_p(lower));
}

TEST(Independence, consecutive_calls_share_no_block) {
  using Block = std::array<uint32_t, 4>;
  std::vector<Block> blocks;
  uint64_t offset = 0;
  for (int call = 0; call < 3; ++call) {
    const std::vector<uint32_t> w = words(61, offset);
    for (size_t i = 0; i < w.size(); i += 4) blocks.push_back({w[i], w[i + 1], w[i + 2], w[i + 3]});
    offset += fl_random_advance(kCount - 3);  // as if each call had been a little shorter, to the multiple of 4
  }
  std::sort(blocks.begin(), blocks.end());
  EXPECT_EQ(std::adjacent_find(blocks.begin(), blocks.end()), blocks.end());
}

TEST(Independence, consecutive_calls_are_independent) {
  const std::vector<uint32_t> first = words(61, 0), second = words(61, fl_random_advance(kCount));
  EXPECT_GT(pairs_p(first, second), kLeastP);
}

TEST(Independence, neighbouring_seeds_are_independent) {
  for (const auto& [a, b] : {std::pair<uint64_t, uint64_t>{0, 1},
                             {~uint64_t{0}, ~uint64_t{0} - 1},
                             {5, 5 + (uint64_t{1} << 32)},
                             {0, uint64_t{1} << 63}}) {
    EXPECT_GT(pairs_p(words(a, 0), words(b, 0)), kLeastP) << a << " " << b;
  }
}

TEST(Independence, neighbouring_elements_and_draws_are_independent) {
  const std::vector<uint32_t> w = words(62, 0);
  for (size_t lag : {1u, 2u, 3u, 4u, 32u}) EXPECT_GT(pairs_p(w, w, lag), kLeastP) << lag;
  EXPECT_GT(pairs_p(w, words(62, 0, 1)), kLeastP);
}

// The two normals of a pair share a radius; they must be independent all the same, and so must their squares.
TEST(Independence, the_two_normals_of_a_pair_are_independent) {
  for (fl_dtype dtype : kFloatingDtypes) {
    const std::vector<double> z = as_doubles(
        dtype, bytes_of({63, 0, 0, 2 * kCount}, dtype,
                        [](auto* span, fl_dtype type, void* out) { return fl_random_normal(span, type, out, 0, 1); }));
    double product = 0, squares = 0;
    std::vector<int64_t> quadrants(16);  // sign and |z| above its median, of both
    for (size_t i = 0; i < z.size(); i += 2) {
      product += z[i] * z[i + 1];
      squares += (z[i] * z[i] - 1) * (z[i + 1] * z[i + 1] - 1);
      const auto cell = [](double x) { return static_cast<size_t>((x < 0) * 2 + (std::fabs(x) > 0.675)); };
      ++quadrants[cell(z[i]) * 4 + cell(z[i + 1])];
    }
    const double n = kCount;
    EXPECT_GT(normal_p(product, 0, std::sqrt(n)), kLeastP);
    EXPECT_GT(normal_p(squares, 0, std::sqrt(4 * n)), kLeastP);
    if (dtype != FL_BFLOAT16 && dtype != FL_FLOAT16) {  // their steps are too wide for the median
      const double beyond = std::erfc(0.675 / std::sqrt(2.0));
      std::vector<double> expected;
      for (size_t a = 0; a < 4; ++a) {
        for (size_t b = 0; b < 4; ++b) {
          expected.push_back((a % 2 ? beyond : 1 - beyond) / 2 * (b % 2 ? beyond : 1 - beyond) / 2);
        }
      }
      EXPECT_GT(chi_square_p(quadrants, expected), kLeastP);
    }
  }
}

}  // namespace
}  // namespace fl::random::testing
