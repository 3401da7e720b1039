// Which of the compiled code paths this CPU can run, and which of those it does run.
#include "base/cpu_features.h"
#include "transformer/kernels.h"

namespace fl::transformer {

namespace {

struct Runnable {
  const Kernels* best_first[5] = {};
};

Runnable find_runnable() {
  Runnable runnable;
  int count = 0;
#if defined(__x86_64__)
  if (cpu_features().avx512_bf16) runnable.best_first[count++] = &kBf16Kernels;
  if (cpu_features().v4) runnable.best_first[count++] = &kV4Kernels;
  if (cpu_features().v3) runnable.best_first[count++] = &kV3Kernels;
#endif
  runnable.best_first[count] = &kGenericKernels;
  return runnable;
}

const Runnable& runnable() {
  static const Runnable found = find_runnable();
  return found;
}

// Which of the kernels of tiles run. They are compiled with AVX-512 BF16, too: every CPU with tiles has it, but not
// each one on which tests emulate the tiles.
TileFeatures tile_kernels() { return cpu_features().avx512_bf16 ? tile_features() : TileFeatures{}; }

}  // namespace

const Kernels& kernels() { return *runnable().best_first[0]; }
const Kernels* const* runnable_kernels() { return runnable().best_first; }

const AttentionKernel& attention_kernel(fl_dtype dtype) {
#if defined(__x86_64__)
  if (tile_kernels().bf16 && kTileAttention.serves(dtype)) return kTileAttention;
  if (cpu_features().fast_bf16_pairs && kBf16Attention.serves(dtype)) return kBf16Attention;
#endif
  (void)dtype;
  return kernels().attention;
}

const Int8Kernel* int8_kernel() {
#if defined(__x86_64__)
  if (tile_kernels().int8) return &kTileInt8;
  if (cpu_features().avx512_vnni) return &kVnniInt8;
#endif
  return nullptr;
}

}  // namespace fl::transformer

extern "C" const char* fl_transformer_code_path(void) {
  return fl::transformer::tile_kernels().bf16 ? "x86-64-v4+amx" : fl::transformer::kernels().name;
}
