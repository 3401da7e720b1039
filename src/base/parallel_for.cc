#include "base/parallel_for.h"

#include <pthread.h>

#include <atomic>
#include <thread>

#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace fl {
namespace {

std::atomic<const fl_thread_pool*> g_installed{nullptr};

// The built-in pool, made at first use and never destroyed: a worker may still run when static objects go. A forked
// child has none of the workers, so it forgets its parent's pool and makes its own when it needs one.
std::atomic<ThreadPool*> g_built_in{nullptr};
std::atomic<ThreadPool*> g_parents{nullptr};  // kept reachable for leak checkers

void forget_in_child() { g_parents.store(g_built_in.exchange(nullptr)); }

int32_t wanted_threads() {
  constexpr int32_t kMost = 1024;
  int64_t wanted = 0;
  try {
    wanted = env::integer("FLAGOS_THREADS");
  } catch (const Error& error) {
    log(FL_LOG_ERROR, "%s One thread a processor is used.", error.what());
  }
  if (wanted == 0) wanted = std::thread::hardware_concurrency();
  return static_cast<int32_t>(wanted < 1 ? 1 : wanted > kMost ? kMost : wanted);
}

ThreadPool& built_in() {
  if (ThreadPool* pool = g_built_in.load(std::memory_order_acquire)) return *pool;
  static const int registered = pthread_atfork(nullptr, nullptr, forget_in_child);
  (void)registered;
  auto fresh = std::make_unique<ThreadPool>(wanted_threads());
  ThreadPool* seen = nullptr;
  if (!g_built_in.compare_exchange_strong(seen, fresh.get(), std::memory_order_acq_rel)) return *seen;
  return *fresh.release();
}

}  // namespace
}  // namespace fl

extern "C" {

void fl_set_thread_pool(const fl_thread_pool* pool) { fl::g_installed.store(pool, std::memory_order_release); }

void fl_parallel_for(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context) {
  const fl_thread_pool* installed = fl::g_installed.load(std::memory_order_acquire);
  if (installed != nullptr) {
    installed->parallel_for(begin, end, grain, body, context);
  } else {
    fl::built_in().parallel_for(begin, end, grain, body, context);
  }
}

int32_t fl_thread_count(void) {
  const fl_thread_pool* installed = fl::g_installed.load(std::memory_order_acquire);
  return installed != nullptr ? installed->thread_count() : fl::built_in().thread_count();
}

}  // extern "C"
