#include "runtime/deferred.h"

#include "base/error.h"
#include "base/log.h"
#include "runtime/device.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace fl::runtime {
bool Deferred::add(void* item, const std::vector<fl_stream*>& streams) noexcept {
  bool idle = true;
  bool never = false;
  const std::lock_guard lock(mutex_);
  Ticket* ticket = nullptr;
  for (fl_stream* stream : streams) {
    Device& device = *stream->device;
    if (!device.asynchronous) continue;
    fl_hal_event event = nullptr;
    const fl_status recorded = guarded([&] {
      device.require_usable();
      if (!ticket) ticket = new Ticket{item, 0};
      std::deque<Mark>& queue = marks_[stream];
      queue.push_back({nullptr, ticket});
      const fl_status taken = guarded([&] {
        event = device.events->take();
        device.check(device.api.event_record(device.ordinal, event, stream->handle), "record an event");
      });
      if (taken != FL_OK) {
        queue.pop_back();
        if (event) device.events->give_back(event);
        return taken;
      }
      queue.back().event = event;
      ++ticket->events_left;
      return FL_OK;
    });
    if (recorded == FL_OK) {
      idle = false;
    } else if (guarded([&] { synchronize(stream); }) != FL_OK) {
      // In a forked child, and after a loss, that is expected, and whoever uses the device is told.
      if (device.usable()) log(FL_LOG_ERROR, "What a stream still uses is not used again, for: %s", last_error());
      never = true;
    }
  }
  if (idle && !never) {
    delete ticket;
    return true;
  }
  if (idle) {  // nothing will ever pass: the item stays out of use
    delete ticket;
    return false;
  }
  if (never) ++ticket->events_left;
  count_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void Deferred::pass(fl_stream* stream, const Mark& mark, std::vector<void*>* ready) {
  stream->device->events->give_back(mark.event);
  if (--mark.ticket->events_left) return;
  ready->push_back(mark.ticket->item);
  delete mark.ticket;
  count_.fetch_sub(1, std::memory_order_relaxed);
}

void Deferred::collect(bool block, std::vector<void*>* ready) {
  for (auto& [stream, queue] : marks_) {
    Device& device = *stream->device;
    if (queue.empty() || !device.usable()) continue;
    if (block) {
      device.check(device.api.event_synchronize(device.ordinal, queue.back().event), "wait for an event");
    }
    while (!queue.empty()) {
      const fl_status status = block ? FL_OK : device.api.event_query(device.ordinal, queue.front().event);
      if (status == FL_NOT_READY) break;
      device.check(status, "query an event");
      ready->reserve(ready->size() + 1);
      pass(stream, queue.front(), ready);
      queue.pop_front();
    }
  }
}

void Deferred::poll(std::vector<void*>* ready) {
  if (!any() || !mutex_.try_lock()) return;
  const std::lock_guard lock(mutex_, std::adopt_lock);
  collect(false, ready);
}

void Deferred::wait(std::vector<void*>* ready) {
  const std::lock_guard lock(mutex_);
  collect(true, ready);
}

}  // namespace fl::runtime
