// Philox 4x32-10, one block at a time: the definition that the vector code is tested against, and what rejection,
// permutations and derived seeds draw from. Not here: the fast path (philox_tile.h).
//
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//
// Everything in this room that the kernels include has internal linkage: one source is compiled for several instruction
// sets, and a shared inline function could come out of the linker in a version that this CPU cannot run.
#ifndef FLAGOS_RANDOM_PHILOX_H_
#define FLAGOS_RANDOM_PHILOX_H_

#include <cstdint>

#include "flagos/random.h"

namespace fl::random {
namespace {

constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53, kPhiloxMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kPhiloxKeyStep0 = 0x9E3779B9, kPhiloxKeyStep1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1
constexpr int kPhiloxRounds = 10;

struct PhiloxBlock {
  uint32_t word[4];
  // Words 2k and 2k+1 as one number, the first of them below: what lies in memory, read little endian.
  constexpr uint64_t pair(int k) const { return word[2 * k] | static_cast<uint64_t>(word[2 * k + 1]) << 32; }
};

[[maybe_unused]] constexpr PhiloxBlock philox(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  PhiloxBlock c = counter;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(kPhiloxMultiplier0) * c.word[0];
    const uint64_t p1 = static_cast<uint64_t>(kPhiloxMultiplier1) * c.word[2];
    c = {{static_cast<uint32_t>(p1 >> 32) ^ c.word[1] ^ key0, static_cast<uint32_t>(p1),
          static_cast<uint32_t>(p0 >> 32) ^ c.word[3] ^ key1, static_cast<uint32_t>(p0)}};
    key0 += kPhiloxKeyStep0;
    key1 += kPhiloxKeyStep1;
  }
  return c;
}

// Draw number `draw` of a block: see Note [The stream of an element].
[[maybe_unused]] constexpr PhiloxBlock philox_draw(uint64_t seed, uint64_t block, uint32_t draw) {
  return philox({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), draw, FL_RANDOM_DOMAIN}},
                static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

[[maybe_unused]] constexpr uint64_t block_of(uint64_t offset, int64_t element) {
  return offset / 4 + static_cast<uint64_t>(element) / 4;
}

}  // namespace
}  // namespace fl::random

#endif  // FLAGOS_RANDOM_PHILOX_H_
