// The eight tile registers of AMX, 16 rows of 64 bytes each, behind one interface with two implementations: the
// instructions, and plain C++ after their definition. Algorithms take the implementation as a parameter, so that all of
// an algorithm runs, and is tested, on CPUs that have no tiles.
//
// Shapes are always whole: other ones cost a configuration each, and ragged edges are zeros in the operands instead.
#ifndef FLAGOS_TRANSFORMER_TILES_H_
#define FLAGOS_TRANSFORMER_TILES_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "random/element.h"

namespace fl::transformer {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileBytes = 64;  // of a row: 16 sums, 32 values in bf16 or 64 in int8

// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: TILELOADD, TILESTORED, TDPBF16PS, TDPBSSD.
class PlainTiles {
 public:
  template <int kTile>
  void zero() {
    std::memset(tile_[kTile], 0, sizeof tile_[kTile]);
  }
  // Rows are `stride` bytes apart.
  template <int kTile>
  void load(const void* from, int64_t stride) {
    for (int64_t m = 0; m < kTileRows; ++m)
      std::memcpy(tile_[kTile][m], static_cast<const char*>(from) + m * stride, kTileBytes);
  }
  template <int kTile>
  void store(void* to, int64_t stride) const {
    for (int64_t m = 0; m < kTileRows; ++m)
      std::memcpy(static_cast<char*>(to) + m * stride, tile_[kTile][m], kTileBytes);
  }

  // sum[m][n] += for each k: a[m][k] . b[k][n], pairs of bf16. Pairs' first and second products are summed apart, each
  // by fused multiply-adds; subnormal numbers count as zeros everywhere.
  template <int kSum, int kA, int kB>
  void dot_bf16() {
    for (int64_t m = 0; m < kTileRows; ++m)
      for (int64_t n = 0; n < 16; ++n) {
        float parts[2] = {0, 0};
        for (int64_t k = 0; k < 16; ++k)
          for (int64_t i = 0; i < 2; ++i)
            parts[i] = flushed(std::fma(bf16(kA, m, 2 * k + i), bf16(kB, k, 2 * n + i), parts[i]));
        const float before = flushed(get<float>(kSum, m, n));
        set(kSum, m, n, flushed(before + flushed(parts[0] + parts[1])));
      }
  }

  // The same with fours of signed bytes; sums are 32 bits wide and wrap.
  template <int kSum, int kA, int kB>
  void dot_int8() {
    for (int64_t m = 0; m < kTileRows; ++m)
      for (int64_t n = 0; n < 16; ++n) {
        auto sum = get<uint32_t>(kSum, m, n);
        for (int64_t k = 0; k < 16; ++k)
          for (int64_t i = 0; i < 4; ++i)
            sum += static_cast<uint32_t>(get<int8_t>(kA, m, 4 * k + i) * get<int8_t>(kB, k, 4 * n + i));
        set(kSum, m, n, sum);
      }
  }

 private:
  static float flushed(float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

  template <class T>
  T get(int tile, int64_t row, int64_t column) const {
    T value;
    std::memcpy(&value, tile_[tile][row] + column * static_cast<int64_t>(sizeof value), sizeof value);
    return value;
  }
  template <class T>
  void set(int tile, int64_t row, int64_t column, T value) {
    std::memcpy(tile_[tile][row] + column * static_cast<int64_t>(sizeof value), &value, sizeof value);
  }
  float bf16(int tile, int64_t row, int64_t column) const {
    return flushed(fl::random::float_of(uint32_t{get<uint16_t>(tile, row, column)} << 16));
  }

  alignas(64) unsigned char tile_[8][kTileRows][kTileBytes];
};

#if defined(__AMX_TILE__)

// The instructions themselves. While an object lives, the thread's tiles are configured; one pair of configuration and
// release costs some 60 ns, so an object serves a whole block of work. GCC's own intrinsics do not say that they touch
// memory, so that a store may pass them; these do.
class HardwareTiles {
 public:
  HardwareTiles() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } shapes;
    static_assert(sizeof shapes == 64);
    for (int tile = 0; tile < 8; ++tile) shapes.row_bytes[tile] = kTileBytes, shapes.rows[tile] = kTileRows;
    asm volatile("ldtilecfg %0" ::"m"(shapes));
  }
  ~HardwareTiles() { asm volatile("tilerelease" ::: "memory"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int kTile>
  void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  void store(void* to, int64_t stride) const {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kSum, int kA, int kB>
  void dot_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
  template <int kSum, int kA, int kB>
  void dot_int8() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
};

#endif  // __AMX_TILE__

// c[32][32] (+)= a[32][steps] . b[steps][32]: four tiles of sums and two of each factor are the eight that there are.
// A step is a whole tile row of `a`. Rows of a, b and c are a_row, b_row and c_row bytes apart, b's next step begins
// b_row * 16 further. Each load stands just before the first use of its tile: 3-10 % faster than all loads first.
template <bool kAdd, class Tiles, class Multiply>
inline void tile_block(Tiles& tiles, const void* a, int64_t a_row, const void* b, int64_t b_row, int64_t steps, void* c,
                       int64_t c_row, Multiply) {
  const auto* left = static_cast<const char*>(a);
  const auto* right = static_cast<const char*>(b);
  char* upper = static_cast<char*>(c);
  char* lower = upper + kTileRows * c_row;
  if constexpr (kAdd) {
    tiles.template load<0>(upper, c_row);
    tiles.template load<1>(upper + kTileBytes, c_row);
    tiles.template load<2>(lower, c_row);
    tiles.template load<3>(lower + kTileBytes, c_row);
  } else {
    tiles.template zero<0>();
    tiles.template zero<1>();
    tiles.template zero<2>();
    tiles.template zero<3>();
  }
  for (int64_t step = 0; step < steps; ++step, left += kTileBytes, right += kTileRows * b_row) {
    tiles.template load<6>(right, b_row);
    tiles.template load<4>(left, a_row);
    Multiply::template dot<0, 4, 6>(tiles);
    tiles.template load<5>(left + kTileRows * a_row, a_row);
    Multiply::template dot<2, 5, 6>(tiles);
    tiles.template load<7>(right + kTileBytes, b_row);
    Multiply::template dot<1, 4, 7>(tiles);
    Multiply::template dot<3, 5, 7>(tiles);
  }
  tiles.template store<0>(upper, c_row);
  tiles.template store<1>(upper + kTileBytes, c_row);
  tiles.template store<2>(lower, c_row);
  tiles.template store<3>(lower + kTileBytes, c_row);
}

struct MultiplyBf16 {
  template <int kSum, int kA, int kB, class Tiles>
  static void dot(Tiles& tiles) {
    tiles.template dot_bf16<kSum, kA, kB>();
  }
};
struct MultiplyInt8 {
  template <int kSum, int kA, int kB, class Tiles>
  static void dot(Tiles& tiles) {
    tiles.template dot_int8<kSum, kA, kB>();
  }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_TILES_H_
