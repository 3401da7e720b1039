// Philox for many blocks at once, its words written in the order of the elements.
//
// One 64-bit lane holds one block. The 32x32 -> 64 multiply of x86 reads the lower half of each lane and ignores the
// upper one, so a word may drag garbage above it through all rounds: a round is two multiplies, two shifts and four
// exclusive ors for as many blocks as the vector has lanes. The blocks sit in the lanes in an order in which the two
// final unpack instructions leave them one after the other.
#ifndef FLAGOS_RANDOM_PHILOX_TILE_H_
#define FLAGOS_RANDOM_PHILOX_TILE_H_

#include "random/philox.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fl::random {
namespace {

#if defined(__AVX512F__)
using Lanes = uint64_t __attribute__((vector_size(64)));
constexpr Lanes kLaneBlocks = {0, 4, 1, 5, 2, 6, 3, 7};
inline Lanes multiply_low(Lanes a, Lanes b) { return (Lanes)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
inline Lanes unpack_low(Lanes a, Lanes b) { return (Lanes)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b); }
inline Lanes unpack_high(Lanes a, Lanes b) { return (Lanes)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b); }
#elif defined(__AVX2__)
using Lanes = uint64_t __attribute__((vector_size(32)));
constexpr Lanes kLaneBlocks = {0, 2, 1, 3};
inline Lanes multiply_low(Lanes a, Lanes b) { return (Lanes)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
inline Lanes unpack_low(Lanes a, Lanes b) { return (Lanes)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b); }
inline Lanes unpack_high(Lanes a, Lanes b) { return (Lanes)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b); }
#else
using Lanes = uint64_t __attribute__((vector_size(16)));
constexpr Lanes kLaneBlocks = {0, 1};
#if defined(__x86_64__)
inline Lanes multiply_low(Lanes a, Lanes b) { return (Lanes)_mm_mul_epu32((__m128i)a, (__m128i)b); }
#else
inline Lanes multiply_low(Lanes a, Lanes b) { return (a & 0xffffffff) * (b & 0xffffffff); }
#endif
inline Lanes unpack_low(Lanes a, Lanes b) { return Lanes{a[0], b[0]}; }
inline Lanes unpack_high(Lanes a, Lanes b) { return Lanes{a[1], b[1]}; }
#endif

constexpr int64_t kLaneCount = sizeof(Lanes) / sizeof(uint64_t);
constexpr int64_t kWordsPerStep = 4 * kLaneCount;  // what one step of fill_words writes

// How many draws of a block are written one after the other: one (a word an element) or two (a pair an element).
enum class Draws { kOne, kTwo };

// Writes the words of `block`, `block + 1`, ... until there are `count` of them, a multiple of kWordsPerStep: those of
// draw `draw`, or with Draws::kTwo eight a block, those of draw 0 and then those of draw 1 (`draw` is 0).
template <Draws kDraws>
[[gnu::noinline]] void fill_words(uint32_t* words, int64_t count, uint64_t seed, uint64_t block, uint32_t draw = 0) {
  Lanes key0[kPhiloxRounds], key1[kPhiloxRounds];
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round, k0 += kPhiloxKeyStep0, k1 += kPhiloxKeyStep1) {
    key0[round] = Lanes{} + k0;
    key1[round] = Lanes{} + k1;
  }
  const Lanes multiplier0 = Lanes{} + kPhiloxMultiplier0, multiplier1 = Lanes{} + kPhiloxMultiplier1;
  constexpr bool kTwo = kDraws == Draws::kTwo;
  Lanes position = kLaneBlocks + (kTwo ? 2 * block : block);
  for (int64_t done = 0; done < count; done += kWordsPerStep) {
    const Lanes number = kTwo ? position >> 1 : position;
    Lanes c0 = number, c1 = number >> 32, c2 = kTwo ? position & 1 : Lanes{} + draw, c3 = Lanes{} + FL_RANDOM_DOMAIN;
#pragma GCC unroll 10
    for (int round = 0; round < kPhiloxRounds; ++round) {
      const Lanes p0 = multiply_low(c0, multiplier0), p1 = multiply_low(c2, multiplier1);
      c0 = (p1 >> 32) ^ c1 ^ key0[round];
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ key1[round];
      c3 = p0;
    }
    const Lanes first = (c0 & 0xffffffff) | c1 << 32, second = (c2 & 0xffffffff) | c3 << 32;
    const Lanes in_order[2] = {unpack_low(first, second), unpack_high(first, second)};
    __builtin_memcpy(words + done, in_order, sizeof in_order);
    position += kLaneCount;
  }
}

}  // namespace
}  // namespace fl::random

#endif  // FLAGOS_RANDOM_PHILOX_TILE_H_
