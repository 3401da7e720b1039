// Things that may be used again only when certain streams have passed the present point: freed blocks that other
// streams were told of, pinned memory under a copy, kernels that still run.
//
// An item goes in with its streams; an event is recorded on each. `poll` takes out those whose events all have passed
// and never blocks; `wait` blocks until all have. Any thread; its lock is held over the driver's event calls.
#ifndef FLAGOS_RUNTIME_DEFERRED_H_
#define FLAGOS_RUNTIME_DEFERRED_H_

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "flagos/runtime.h"

namespace fl::runtime {

class Deferred {
 public:
  // Takes the item over. True when it need not wait at all (every stream is idle by construction, or was waited for
  // because no event could be had): the caller has it back. A stream that was lost keeps the item for ever.
  bool add(void* item, const std::vector<fl_stream*>& streams) noexcept;

  // True when something waits. A hint without a lock: what this thread added is seen.
  bool any() const noexcept { return count_.load(std::memory_order_relaxed) != 0; }

  // The items that are through, appended to `ready`. `poll` does nothing when another thread is at it.
  void poll(std::vector<void*>* ready);
  void wait(std::vector<void*>* ready);

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  struct Ticket {
    void* item;
    size_t events_left;
  };
  struct Mark {
    fl_hal_event event;
    Ticket* ticket;
  };

  void collect(bool block, std::vector<void*>* ready);
  void pass(fl_stream* stream, const Mark& mark, std::vector<void*>* ready);

  std::mutex mutex_;
  std::atomic<size_t> count_{0};                  // items
  std::map<fl_stream*, std::deque<Mark>> marks_;  // in a stream's order, so that only the first one is asked
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_DEFERRED_H_
