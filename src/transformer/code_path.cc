// Which of the compiled code paths this CPU can run, and which of those it does run.
#include "transformer/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fl::transformer {

namespace {

CpuFeatures find_features() {
  CpuFeatures found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  found.v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
             __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  found.v4 = found.v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
  found.avx512_bf16 = found.v4 && __builtin_cpu_supports("avx512bf16");
  found.avx512_vnni = found.v4 && __builtin_cpu_supports("avx512vnni");
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
    found.amx_bf16 = (edx & kAmxTile) && (edx & kAmxBf16);
    found.amx_int8 = (edx & kAmxTile) && (edx & kAmxInt8);
  }
#endif
  return found;
}

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

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures found = find_features();
  return found;
}

const Kernels& kernels() { return *runnable().best_first[0]; }
const Kernels* const* runnable_kernels() { return runnable().best_first; }

const AttentionKernel& attention_kernel(fl_dtype dtype) {
#if defined(__x86_64__)
  if (cpu_features().avx512_bf16 && kBf16Attention.serves(dtype)) return kBf16Attention;
#endif
  (void)dtype;
  return kernels().attention;
}

}  // namespace fl::transformer

extern "C" {

const char* fl_transformer_code_path(void) { return fl::transformer::kernels().name; }

const char* fl_attention_discouraged(fl_dtype dtype) {
  if (dtype == FL_BFLOAT16 && fl::transformer::cpu_features().amx_bf16)
    return "this CPU multiplies bfloat16 in tiles (AMX), which PyTorch's kernel uses and ours does not";
  return nullptr;
}

}  // extern "C"
