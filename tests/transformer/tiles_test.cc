// Tiles: the plain implementation against what the manual's definition gives for chosen numbers, and against the
// processor's own tiles, instruction by instruction, where it has them.
#include "transformer/tiles.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <vector>

#include "base/cpu_features.h"
#include "flagos/flagos.h"
#include "flagos/transformer.h"

namespace fl::transformer::testing {
namespace {

template <class T>
using Tile = std::array<T, kTileRows * kTileBytes / sizeof(T)>;

uint16_t bf16(float value) { return static_cast<uint16_t>(fl::random::bits_of(value) >> 16); }

// sum + a . b by one instruction.
template <class Tiles, class Multiply, class Sum, class Factor>
Tile<Sum> product(const Tile<Sum>& sum, const Tile<Factor>& a, const Tile<Factor>& b) {
  Tiles tiles;
  tiles.template load<3>(sum.data(), kTileBytes);
  tiles.template load<0>(a.data(), kTileBytes);
  tiles.template load<7>(b.data(), kTileBytes);
  Multiply::template dot<3, 0, 7>(tiles);
  Tile<Sum> result;
  tiles.template store<3>(result.data(), kTileBytes);
  return result;
}

TEST(PlainTiles, pairs_are_summed_apart_and_added_once) {
  Tile<float> sum{};
  Tile<uint16_t> a{}, b{};
  // Row 2, column 5: the first products of the pairs cancel to 2^-30, which a single running sum would have lost.
  const float first[] = {1.0f, 0x1p-30f, -1.0f};
  for (size_t k = 0; k < 3; ++k) {
    a[2 * 32 + 2 * k] = bf16(first[k]);
    b[k * 32 + 2 * 5] = bf16(1.0f);
  }
  a[2 * 32 + 2 * 3 + 1] = bf16(3.0f), b[3 * 32 + 2 * 5 + 1] = bf16(0.5f);
  sum[2 * 16 + 5] = 2.0f;
  const auto result = product<PlainTiles, MultiplyBf16>(sum, a, b);
  // 1 + 2^-30 rounds to 1 in the first products' own sum: 0 is left of it.
  EXPECT_EQ(result[2 * 16 + 5], 2.0f + 1.5f);
  EXPECT_EQ(result[2 * 16 + 4], 0.0f);
}

TEST(PlainTiles, subnormal_numbers_are_zeros) {
  Tile<float> sum{};
  Tile<uint16_t> a{}, b{};
  a[0] = 0x0040, b[0] = bf16(0x1p100f);                      // a subnormal factor
  a[32] = bf16(0x1p-100f), b[1] = 0, b[2] = bf16(0x1p-40f);  // row 1, column 1: a product below 2^-126
  sum[1] = fl::random::float_of(0x00000001);
  const auto result = product<PlainTiles, MultiplyBf16>(sum, a, b);
  EXPECT_EQ(result[0], 0.0f);
  EXPECT_EQ(result[1], 0.0f);
  EXPECT_EQ(result[17], 0.0f);
}

TEST(PlainTiles, sums_of_bytes_wrap) {
  Tile<int32_t> sum{};
  Tile<int8_t> a{}, b{};
  for (size_t i = 0; i < 4; ++i) a[i] = -128, b[i] = -128;
  sum[0] = std::numeric_limits<int32_t>::max();
  const auto result = product<PlainTiles, MultiplyInt8>(sum, a, b);
  EXPECT_EQ(result[0], static_cast<int32_t>(0x7fffffffu + 4u * 128u * 128u));
}

TEST(PlainTiles, a_block_is_the_product_of_its_matrices) {
  constexpr int64_t kSteps = 3, kDepth = kSteps * 64;
  std::mt19937 engine(3);
  std::array<std::array<int8_t, kDepth + 5>, 32> a;
  std::array<std::array<int8_t, 32 * 4>, kDepth / 4> b;
  for (auto& row : a)
    for (auto& value : row) value = static_cast<int8_t>(engine());
  for (auto& row : b)
    for (auto& value : row) value = static_cast<int8_t>(engine());
  std::array<std::array<int32_t, 33>, 32> c{};
  PlainTiles tiles;
  tile_block<false>(tiles, a.data(), sizeof a[0], b.data(), sizeof b[0], kSteps, c.data(), sizeof c[0], MultiplyInt8{});
  tile_block<true>(tiles, a.data(), sizeof a[0], b.data(), sizeof b[0], kSteps, c.data(), sizeof c[0], MultiplyInt8{});
  for (size_t m = 0; m < 32; ++m)
    for (size_t n = 0; n < 32; ++n) {
      int32_t exact = 0;
      for (size_t k = 0; k < kDepth; ++k) exact += a[m][k] * b[k / 4][n * 4 + k % 4];
      ASSERT_EQ(c[m][n], 2 * exact) << m << ", " << n;
    }
}

#if defined(__AMX_TILE__)

// Numbers of all magnitudes, subnormal ones, zeros of both signs and, rarely, infinities and NaN.
uint16_t any_bf16(std::mt19937& engine, bool special) {
  const uint32_t bits = engine();
  if (special && bits % 64 == 0) return static_cast<uint16_t>(0x7f80 | (bits >> 16 & 0x8040));
  if (bits % 16 == 1) return static_cast<uint16_t>(bits >> 16 & 0x807f);
  const uint32_t exponent = 127 - 20 + (bits >> 8) % 40;
  return static_cast<uint16_t>((bits >> 16 & 0x807f) | exponent << 7);
}

TEST(HardwareTiles, do_what_the_plain_ones_do_with_bf16) {
  if (!tile_features().bf16) GTEST_SKIP() << "this CPU, or the kernel, has no AMX tiles with bf16";
  std::mt19937 engine(1);
  for (int round = 0; round < 200; ++round) {
    Tile<float> sum;
    Tile<uint16_t> a, b;
    const bool special = round % 4 == 3;
    for (auto& value : a) value = any_bf16(engine, special);
    for (auto& value : b) value = any_bf16(engine, special);
    for (auto& value : sum) value = fl::random::float_of(uint32_t{any_bf16(engine, special)} << 16 | engine() % 65536);
    const auto plain = product<PlainTiles, MultiplyBf16>(sum, a, b);
    const auto real = product<HardwareTiles, MultiplyBf16>(sum, a, b);
    for (size_t i = 0; i < plain.size(); ++i) {
      if (std::isnan(plain[i])) {
        ASSERT_TRUE(std::isnan(real[i])) << "round " << round << ", element " << i;
      } else {
        ASSERT_EQ(fl::random::bits_of(plain[i]), fl::random::bits_of(real[i]))
            << "round " << round << ", element " << i << ": " << plain[i] << " and " << real[i];
      }
    }
  }
}

TEST(HardwareTiles, do_what_the_plain_ones_do_with_int8) {
  if (!tile_features().int8) GTEST_SKIP() << "this CPU, or the kernel, has no AMX tiles with int8";
  std::mt19937 engine(2);
  for (int round = 0; round < 200; ++round) {
    Tile<int32_t> sum;
    Tile<int8_t> a, b;
    for (auto& value : a) value = static_cast<int8_t>(engine());
    for (auto& value : b) value = static_cast<int8_t>(engine());
    for (auto& value : sum) value = static_cast<int32_t>(engine());
    const auto plain = product<PlainTiles, MultiplyInt8>(sum, a, b);
    const auto real = product<HardwareTiles, MultiplyInt8>(sum, a, b);
    ASSERT_EQ(plain, real) << "round " << round;
  }
}

TEST(HardwareTiles, load_store_and_zero_whole_tiles_by_strides) {
  if (!tile_features().int8) GTEST_SKIP() << "this CPU, or the kernel, has no AMX tiles";
  std::array<unsigned char, 16 * 80> from, to{};
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<unsigned char>(i * 7);
  HardwareTiles tiles;
  tiles.load<6>(from.data(), 80);
  tiles.store<6>(to.data(), 72);
  for (size_t m = 0; m < 16; ++m)
    for (size_t i = 0; i < 64; ++i) ASSERT_EQ(to[m * 72 + i], from[m * 80 + i]);
  tiles.zero<6>();
  tiles.store<6>(to.data(), 80);
  for (size_t m = 0; m < 16; ++m)
    for (size_t i = 0; i < 64; ++i) ASSERT_EQ(to[m * 80 + i], 0);
}

// A library that ran before may have left tiles of other shapes configured, and may be surprised by ours.
TEST(HardwareTiles, are_configured_anew_by_each_kernel_and_released) {
  if (!tile_features().bf16 || !cpu_features().avx512_bf16) GTEST_SKIP() << "this CPU, or the kernel, has no AMX tiles";
  struct alignas(64) {
    uint8_t palette = 1, start_row = 2, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 32, 4, 64, 64, 64};
    uint8_t rows[16] = {3, 1, 16, 7, 7, 7};
  } strange;
  unsigned char now[64], none[64] = {};
  const auto released = [&] {
    asm volatile("sttilecfg %0" : "=m"(now));
    return std::memcmp(now, none, sizeof now) == 0;
  };

  constexpr int64_t kTokens = 3, kInputs = 70, kOutputs = 5;
  const std::vector<float> x(kTokens * kInputs, 1.0f), scale(kOutputs, 1.0f);
  const std::vector<int8_t> weight(kOutputs * kInputs, 2);
  std::vector<float> y(kTokens * kOutputs);
  fl_int8_linear_args linear{};
  linear.struct_size = sizeof linear;
  linear.x = x.data(), linear.weight = weight.data(), linear.scale = scale.data(), linear.y = y.data();
  linear.dtype = FL_FLOAT32, linear.rows = kTokens, linear.inputs = linear.row_stride = kInputs;
  linear.outputs = kOutputs;
  asm volatile("ldtilecfg %0" ::"m"(strange));
  ASSERT_EQ(fl_int8_linear(&linear), FL_OK) << fl_last_error();
  EXPECT_TRUE(released());
  for (const float value : y) EXPECT_FLOAT_EQ(value, 2.0f * kInputs);

  constexpr int64_t kSize = 16, kKeys = 40;
  const std::vector<uint16_t> q(kSize, bf16(1.0f)), k(kKeys * kSize, bf16(0.5f)), v(kKeys * kSize, bf16(3.0f));
  std::vector<uint16_t> out(kSize);
  const int64_t queries[] = {0, 1}, keys[] = {0, kKeys};
  fl_attention_args attention{};
  attention.struct_size = sizeof attention;
  attention.q = q.data(), attention.k = k.data(), attention.v = v.data(), attention.out = out.data();
  attention.q_bounds = queries, attention.kv_bounds = keys, attention.dtype = FL_BFLOAT16, attention.segments = 1;
  attention.heads = attention.kv_heads = 1, attention.head_size = kSize, attention.scale = 1;
  attention.q_strides[0] = attention.k_strides[0] = attention.v_strides[0] = kSize;
  attention.q_strides[1] = attention.k_strides[1] = attention.v_strides[1] = kSize;
  asm volatile("ldtilecfg %0" ::"m"(strange));
  ASSERT_EQ(fl_attention(&attention), FL_OK) << fl_last_error();
  EXPECT_TRUE(released());
  for (const uint16_t value : out) EXPECT_EQ(value, bf16(3.0f));
}

#endif  // __AMX_TILE__

}  // namespace
}  // namespace fl::transformer::testing
