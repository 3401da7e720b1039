// Which of the compiled code paths this CPU can run, and which of those it does run.
#include "random/kernels.h"

namespace fl::random {

namespace {

// Null where there are fewer than three.
struct Runnable {
  const Kernels* best_first[4] = {};
};

Runnable find_runnable() {
  Runnable runnable;
  int count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (v4) runnable.best_first[count++] = &kV4Kernels;
  if (v3) runnable.best_first[count++] = &kV3Kernels;
#endif
  runnable.best_first[count] = &kGenericKernels;
  return runnable;
}

const Runnable& runnable() {
  static const Runnable found = find_runnable();
  return found;
}

}  // namespace

const Kernels& kernels() { return *runnable().best_first[0]; }
const Kernels* const* runnable_kernels() { return runnable().best_first; }

}  // namespace fl::random

extern "C" const char* fl_random_code_path(void) { return fl::random::kernels().name; }
