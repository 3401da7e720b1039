// What this CPU can do, as far as a room chooses code by it; found out once a process.
#ifndef FLAGOS_BASE_CPU_FEATURES_H_
#define FLAGOS_BASE_CPU_FEATURES_H_

namespace fl {

struct CpuFeatures {
  bool v3 = false;  // the level x86-64-v3, as far as compilers use it: AVX2, FMA, BMI, BMI2, F16C
  bool v4 = false;  // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  // vdpbf16ps is worth it: on AMD it does twice the work of an fma, on Intel no more than one (measured: 0.6 times).
  bool fast_bf16_pairs = false;
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
