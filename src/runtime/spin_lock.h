// The lock of the allocator's hot path: one compare-and-swap to take, one plain store to give back.
//
// A std::mutex needs a second atomic operation to unlock, a third of the time of a whole cached allocation. It is held
// for a few dozen instructions and never over a call into a driver. Under contention it spins briefly, then gives the
// processor away, for the holder may be waiting for it.
#ifndef FLAGOS_RUNTIME_SPIN_LOCK_H_
#define FLAGOS_RUNTIME_SPIN_LOCK_H_

#include <immintrin.h>
#include <sched.h>
#include <time.h>

#include <atomic>

namespace fl::runtime {

class SpinLock {
 public:
  void lock() noexcept {
    if (!taken_.exchange(true, std::memory_order_acquire)) [[likely]] {
      return;
    }
    wait();
  }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }

 private:
  static constexpr int kSpins = 64;   // about as long as the longest common critical section
  static constexpr int kYields = 64;  // afterwards sleep: a waiter of higher real-time priority starves the holder else

  [[gnu::noinline]] void wait() noexcept {
    for (int turn = 0;; ++turn) {
      if (!taken_.load(std::memory_order_relaxed) && !taken_.exchange(true, std::memory_order_acquire)) return;
      if (turn < kSpins) {
        _mm_pause();
      } else if (turn < kSpins + kYields) {
        sched_yield();
      } else {
        const timespec pause = {0, 50'000};
        nanosleep(&pause, nullptr);
      }
    }
  }

  std::atomic<bool> taken_{false};
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_SPIN_LOCK_H_
