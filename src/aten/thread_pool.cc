// One thread pool a process: the core's parallel loops run on PyTorch's, so that the two never fight for the cores and
// torch.set_num_threads governs both.
#include <ATen/Parallel.h>

#include "flagos/base.h"

namespace flagos {
namespace {

void parallel_for(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context) {
  at::parallel_for(begin, end, grain, [&](int64_t first, int64_t last) { body(context, first, last); });
}

const bool installed = [] {
  static const fl_thread_pool pool{sizeof pool, &parallel_for,
                                   [] { return static_cast<int32_t>(at::get_num_threads()); }};
  fl_set_thread_pool(&pool);
  return true;
}();

}  // namespace
}  // namespace flagos
