// Events: points in a stream that others wait for. A driver's event is costly to make, so those without timing are
// recycled, a pool a device.
#ifndef FLAGOS_RUNTIME_EVENT_H_
#define FLAGOS_RUNTIME_EVENT_H_

#include <atomic>
#include <mutex>
#include <vector>

#include "flagos/runtime.h"
#include "runtime/device.h"

struct fl_event {
  fl::runtime::Device* device;
  fl_hal_event handle;
  bool timing;
  // A recycled handle may still know an earlier point; an event that was not recorded since counts as complete.
  std::atomic<bool> recorded{false};
};

namespace fl::runtime {

class EventPool {
 public:
  explicit EventPool(Device& device) : device_(device) {}

  fl_hal_event take();  // throws what the driver answers
  void give_back(fl_hal_event event) noexcept;

  // An event for the length of a scope. A wait that was enqueued for it keeps the point that it saw.
  class Lease {
   public:
    explicit Lease(EventPool& pool) : pool_(pool), handle_(pool.take()) {}
    ~Lease() { pool_.give_back(handle_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    fl_hal_event handle() const { return handle_; }

   private:
    EventPool& pool_;
    fl_hal_event handle_;
  };

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  Device& device_;
  std::mutex mutex_;
  std::vector<fl_hal_event> free_;
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_EVENT_H_
