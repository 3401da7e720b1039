// Which of the compiled code paths this CPU can run, and which of those it does run.
#include "base/cpu_features.h"
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

const Kernels& kernels() { return *runnable().best_first[0]; }
const Kernels* const* runnable_kernels() { return runnable().best_first; }

}  // namespace fl::random

extern "C" const char* fl_random_code_path(void) { return fl::random::kernels().name; }
