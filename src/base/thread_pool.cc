#include "base/thread_pool.h"

#include <algorithm>
#include <system_error>

#include "base/log.h"

namespace fl {
namespace {

// About 20 microseconds of pauses on current x86 processors: several times the gap between two kernels of a model, and
// little enough that an idle pool costs nothing that shows.
constexpr int kSpins = 400;

// More ranges than threads even out unequal speed; four a thread cost four atomic additions each.
constexpr int64_t kRangesPerThread = 4;

// Set while this thread runs a body: a call from inside runs inline.
thread_local bool t_inside = false;

struct Inside {
  Inside() { t_inside = true; }
  ~Inside() { t_inside = false; }
};

void pause() { __builtin_ia32_pause(); }

// Waits until `word` is no longer `seen`.
void await_change(const std::atomic<uint32_t>& word, uint32_t seen) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (word.load(std::memory_order_acquire) != seen) return;
    pause();
  }
  word.wait(seen, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int32_t threads) {
  workers_.reserve(static_cast<size_t>(std::max(threads - 1, 0)));
  for (int32_t index = 1; index < threads; ++index) {
    try {
      workers_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      log(FL_LOG_WARNING,
          "The thread pool has %d threads instead of %d: %s. Raise the limit of threads or lower FLAGOS_THREADS.",
          index, threads, error.what());
      break;
    }
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_ranges() {
  const Inside inside;
  const Call& call = call_;
  for (;;) {
    const int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= call.count) return;
    const int64_t first = call.begin + index * call.size + std::min(index, call.remainder);
    call.body(call.context, first, first + call.size + (index < call.remainder ? 1 : 0));
  }
}

void ThreadPool::work() {
  for (uint32_t seen = 0;;) {
    await_change(generation_, seen);
    seen += 1;
    if (stop_.load(std::memory_order_relaxed)) return;
    take_ranges();
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::parallel_for(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context) {
  if (begin >= end) return;
  const int64_t total = end - begin;
  const int64_t most = total / std::max<int64_t>(grain, 1);
  std::unique_lock<std::mutex> mine(caller_, std::defer_lock);
  if (t_inside || workers_.empty() || most < 2 || !mine.try_lock()) {
    const bool was_inside = t_inside;
    t_inside = true;
    body(context, begin, end);
    t_inside = was_inside;
    return;
  }
  const int64_t count = std::min<int64_t>(most, kRangesPerThread * thread_count());
  call_ = {body, context, begin, total / count, total % count, count};
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  take_ranges();
  for (uint32_t left = busy_.load(std::memory_order_acquire); left != 0; left = busy_.load(std::memory_order_acquire)) {
    await_change(busy_, left);
  }
}

}  // namespace fl
