// parallel_for over the process's one thread pool: the built-in one, or the one that a program installed by
// fl_set_thread_pool (the plugin installs PyTorch's).
#ifndef FLAGOS_BASE_PARALLEL_FOR_H_
#define FLAGOS_BASE_PARALLEL_FOR_H_

#include <cstdint>
#include <type_traits>

#include "flagos/base.h"

namespace fl {

// Calls body(first, last) for ranges that together are [begin, end), each of at least `grain` elements (fewer only when
// all of it is fewer), on several threads, the caller included; returns when all is done. Nested calls run on the
// calling thread. `body` must not throw.
template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  const auto call = [](void* context, int64_t first, int64_t last) noexcept {
    (*static_cast<Plain*>(context))(first, last);
  };
  fl_parallel_for(begin, end, grain, call, const_cast<std::remove_const_t<Plain>*>(&body));
}

}  // namespace fl

#endif  // FLAGOS_BASE_PARALLEL_FOR_H_
