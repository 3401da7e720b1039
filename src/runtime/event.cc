#include "runtime/event.h"

#include "base/error.h"
#include "runtime/devices.h"

namespace fl::runtime {

fl_hal_event EventPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      const fl_hal_event event = free_.back();
      free_.pop_back();
      return event;
    }
  }
  fl_hal_event event = nullptr;
  device_.check(device_.api.event_create(device_.ordinal, 0, &event), "create an event");
  device_.opened.store(true, std::memory_order_relaxed);
  return event;
}

void EventPool::give_back(fl_hal_event event) noexcept {
  const fl_status kept = guarded([&] {
    const std::lock_guard lock(mutex_);
    free_.push_back(event);
  });
  if (kept == FL_OK || exiting()) return;
  if (const fl_status status = device_.api.event_destroy(device_.ordinal, event)) {
    device_.log_failure(status, "destroy an event");
  }
}

}  // namespace fl::runtime
