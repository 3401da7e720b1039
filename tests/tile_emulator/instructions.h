// The tile instructions as functions of their registers, and shapes to configure them with.
#ifndef FLAGOS_TESTS_TILE_EMULATOR_INSTRUCTIONS_H_
#define FLAGOS_TESTS_TILE_EMULATOR_INSTRUCTIONS_H_

#include <cstdint>

#include "tile_emulator.h"

namespace tile_emulator::testing {

// What LDTILECFG reads.
struct alignas(64) Shapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  Shapes& tile(int number, int its_rows, int its_bytes) {
    rows[number] = static_cast<uint8_t>(its_rows);
    row_bytes[number] = static_cast<uint16_t>(its_bytes);
    return *this;
  }
  static Shapes whole() {
    Shapes shapes;
    for (int number = 0; number < 8; ++number) shapes.tile(number, 16, 64);
    return shapes;
  }
};
static_assert(sizeof(Shapes) == 64);

inline void configure_only(const Shapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
inline void configure(const Shapes& shapes) {
  fl_emulated_tile_features();  // permission; the processor's own was asked for when the library began
  configure_only(shapes);
}
inline void store_configuration(Shapes& shapes) { asm volatile("sttilecfg %0" : "=m"(shapes)); }
inline void release() { asm volatile("tilerelease" ::: "memory"); }

template <int kTile>
void zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
template <int kTile>
void load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
void store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}

// tmm<kSum> += tmm<kLeft> . tmm<kRight>; factors signed (S) or not (U).
enum class Product { kBf16, kSS, kSU, kUS, kUU };
template <Product kProduct, int kSum, int kLeft, int kRight>
void multiply() {
  if constexpr (kProduct == Product::kBf16)
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
  else if constexpr (kProduct == Product::kSS)
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
  else if constexpr (kProduct == Product::kSU)
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
  else if constexpr (kProduct == Product::kUS)
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
  else
    asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
}

}  // namespace tile_emulator::testing

#endif  // FLAGOS_TESTS_TILE_EMULATOR_INSTRUCTIONS_H_
