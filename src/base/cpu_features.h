// What this CPU can do, as far as a room chooses code by it; found out once a process.
#ifndef FLAGOS_BASE_CPU_FEATURES_H_
#define FLAGOS_BASE_CPU_FEATURES_H_

#include <cstdint>

namespace fl {

struct CpuFeatures {
  bool v3 = false;  // the level x86-64-v3, as far as compilers use it: AVX2, FMA, BMI, BMI2, F16C
  bool v4 = false;  // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  // vdpbf16ps is worth it: on AMD it does twice the work of an fma, on Intel no more than one (measured: 0.6 times).
  bool fast_bf16_pairs = false;
  // 64 bytes go to and from memory as two halves (Zen 4): code that does little else is faster when it moves 32 at a
  // time (measured: an addition of 12 MB of floats takes 0.93 of the time).
  bool moves_halves = false;
  int64_t last_cache_bytes = 0;  // of one cache of the outermost level; 0 where the CPU does not say
};

// Any thread.
const CpuFeatures& cpu_features();

// AMX: the CPU has the tiles and the kernel lets this process use them; or tests/tile_emulator is loaded.
struct TileFeatures {
  bool bf16 = false;
  bool int8 = false;
};

// Any thread. The first call asks the kernel for the tile state on a CPU that has tiles, which makes the frames of
// signals larger: for those alone who would use tiles. Threads that exist already and children forked later get it too.
const TileFeatures& tile_features();

}  // namespace fl

#endif  // FLAGOS_BASE_CPU_FEATURES_H_
