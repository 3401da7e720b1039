// The built-in thread pool: what parallel_for runs on in programs without PyTorch.
//
// One call at a time has the workers; calls that come meanwhile, from other threads or from inside a body, run on their
// own thread. A worker that has nothing to do spins for a moment, since the next call of a model's kernels comes within
// microseconds, and then sleeps.
#ifndef FLAGOS_BASE_THREAD_POOL_H_
#define FLAGOS_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "flagos/base.h"

namespace fl {

class ThreadPool {
 public:
  // `threads` counts the caller: 1 makes no worker. Where the system refuses a thread, there are fewer.
  explicit ThreadPool(int32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // As fl_parallel_for.
  void parallel_for(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context);
  int32_t thread_count() const noexcept { return static_cast<int32_t>(workers_.size()) + 1; }

 private:
  // One parallel_for: `count` ranges, taken by whoever asks next.
  struct Call {
    fl_range_body body;
    void* context;
    int64_t begin, size, remainder;  // the first `remainder` ranges have size + 1 elements, the others size
    int64_t count;
  };

  void work();
  void take_ranges();

  std::mutex caller_;  // held by the call that has the workers
  Call call_{};
  std::atomic<int64_t> next_{0};         // the next range that nobody took
  std::atomic<uint32_t> busy_{0};        // workers that are still inside the call
  std::atomic<uint32_t> generation_{0};  // grows by one with each call; what the workers wait on
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace fl

#endif  // FLAGOS_BASE_THREAD_POOL_H_
