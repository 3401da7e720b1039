#include "base/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

// Not defined anywhere in the project but in tests/tile_emulator, which executes the instructions of tiles in processes
// that are started with it and answers for the processor and the kernel there: EDX of CPUID leaf 7, or 0.
extern "C" [[gnu::weak]] unsigned fl_emulated_tile_features();
#endif

namespace fl {
namespace {

#if defined(__x86_64__)
bool tiles_are_permitted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// The leaf of deterministic cache parameters: an entry for each cache, the outermost last. What the C library says of
// it counts the caches of a whole package as one.
int64_t last_cache() {
  const unsigned leaf = __builtin_cpu_is("amd") ? 0x8000001D : 4;
  int64_t bytes = 0;
  unsigned a = 0, b = 0, c = 0, d = 0;
  for (unsigned entry = 0; __get_cpuid_count(leaf, entry, &a, &b, &c, &d) != 0 && (a & 31) != 0; ++entry)
    bytes = int64_t{(b >> 22) + 1} * ((b >> 12 & 0x3FF) + 1) * ((b & 0xFFF) + 1) * (int64_t{c} + 1);
  return bytes;
}
#endif

CpuFeatures find() {
  CpuFeatures found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  found.v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
             __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  found.v4 = found.v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
  found.avx512_vnni = found.v4 && __builtin_cpu_supports("avx512vnni");
  found.avx512_bf16 = found.v4 && __builtin_cpu_supports("avx512bf16");
  found.fast_bf16_pairs = found.avx512_bf16 && __builtin_cpu_is("amd");
  found.last_cache_bytes = last_cache();
  found.moves_halves = found.v4 && __builtin_cpu_is("amdfam19h");  // Zen 3, which has no AVX-512, and Zen 4
#endif
  return found;
}

TileFeatures find_tiles() {
  TileFeatures found;
#if defined(__x86_64__)
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24, kInt8 = 1u << 25;
  if (!cpu_features().v4) return found;
  unsigned bits = fl_emulated_tile_features != nullptr ? fl_emulated_tile_features() : 0;
  if (bits == 0) {
    unsigned a = 0, b = 0, c = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &bits) == 0 || (bits & kTiles) == 0 || !tiles_are_permitted()) return found;
  }
  found.bf16 = (bits & kBf16) != 0;
  found.int8 = (bits & kInt8) != 0;
#endif
  return found;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures found = find();
  return found;
}

const TileFeatures& tile_features() {
  static const TileFeatures found = find_tiles();
  return found;
}

}  // namespace fl
