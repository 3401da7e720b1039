// One thread pool a process: the core's parallel loops run on PyTorch's, so that the two never fight for the cores and
// torch.set_num_threads governs both.
//
// at::parallel_for is a template over OpenMP, so this file is compiled with it (CMakeLists.txt). The OpenMP runtime
// must be the one that PyTorch brings, whatever its file is called there: its symbols are weak here, so that linking
// names no library and the loader finds them among libtorch_cpu's own.
#include <ATen/Parallel.h>

#include "flagos/base.h"

// By the assembler, since the compiler knows some of them as its own and ignores the attribute.
asm(".weak GOMP_parallel\n.weak omp_get_num_threads\n.weak omp_get_thread_num\n.weak omp_in_parallel\n");
extern "C" __attribute__((weak)) void GOMP_parallel(void (*)(void*), void*, unsigned, unsigned);

namespace flagos {
namespace {

void parallel_for(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context) {
  at::parallel_for(begin, end, grain, [&](int64_t first, int64_t last) { body(context, first, last); });
}

const bool installed = [] {
  if (&GOMP_parallel == nullptr) {
    fl_log(FL_LOG_WARNING, "this PyTorch brings no OpenMP: flagos' own loops use the thread pool of the core");
    return false;
  }
  static const fl_thread_pool pool{sizeof pool, &parallel_for,
                                   [] { return static_cast<int32_t>(at::get_num_threads()); }};
  fl_set_thread_pool(&pool);
  return true;
}();

}  // namespace
}  // namespace flagos
