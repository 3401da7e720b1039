// Streams and events of a device that is never busy between two calls. They are objects all the same: a program that
// destroys a stream twice, or mixes up two devices, learns it here and not on the first accelerator.
#include <pthread.h>

#include <atomic>
#include <chrono>

#include "base/error.h"
#include "drivers/common/handle_table.h"
#include "drivers/host/driver.h"

namespace fl::drivers::host {
namespace {

struct Stream {
  int32_t device;
};

struct Event {
  int32_t device;
  bool timing;
  int64_t nanoseconds;  // of the steady clock, by atomic_ref: two threads may record and ask; kNever before the first
};
constexpr int64_t kNever = INT64_MIN;

struct Tables {
  HandleTable<Stream, fl_hal_stream, HandleKind::kHostStream> streams;
  HandleTable<Event, fl_hal_event, HandleKind::kHostEvent> events;
};

// Never destroyed: events may be destroyed while the process ends.
Tables& tables() {
  static Tables* const instance = new Tables;
  return *instance;
}

Event& event_of(int32_t device, fl_hal_event handle) {
  check_device(device);
  Event* const event = tables().events.find(handle);
  if (!event)
    fail(FL_INVALID_ARGUMENT, "The host driver has no event %p; it was destroyed, or belongs to another driver.",
         static_cast<void*>(handle));
  if (event->device != device)
    fail(FL_INVALID_ARGUMENT, "The event belongs to device %d of the host driver, not to device %d.", event->device,
         device);
  return *event;
}

}  // namespace

void check_stream(int32_t device, fl_hal_stream handle) {
  check_device(device);
  if (!handle) return;
  const Stream* const stream = tables().streams.find(handle);
  if (!stream)
    fail(FL_INVALID_ARGUMENT, "The host driver has no stream %p; it was destroyed, or belongs to another driver.",
         static_cast<void*>(handle));
  if (stream->device != device)
    fail(FL_INVALID_ARGUMENT, "The stream belongs to device %d of the host driver, not to device %d.", stream->device,
         device);
}

fl_hal_stream stream_create(int32_t device, int32_t) {
  check_device(device);
  return tables().streams.insert({device});
}

void stream_destroy(int32_t device, fl_hal_stream handle) {
  check_stream(device, handle);
  Stream removed;
  if (!handle || !tables().streams.remove(handle, &removed))
    fail(FL_INVALID_ARGUMENT, "stream_destroy: %s.",
         handle ? "another thread destroyed it" : "the default stream stays");
}

void stream_wait(int32_t device, fl_hal_stream stream, fl_hal_event event) {
  check_stream(device, stream);
  event_of(device, event);
}

fl_hal_event event_create(int32_t device, int32_t timing) {
  check_device(device);
  return tables().events.insert({device, timing != 0, kNever});
}

void event_destroy(int32_t device, fl_hal_event handle) {
  event_of(device, handle);
  Event removed;
  if (!tables().events.remove(handle, &removed))
    fail(FL_INVALID_ARGUMENT, "event_destroy: another thread destroyed the event.");
}

void event_record(int32_t device, fl_hal_event handle, fl_hal_stream stream) {
  check_stream(device, stream);
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  std::atomic_ref(event_of(device, handle).nanoseconds)
      .store(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), std::memory_order_relaxed);
}

void check_event(int32_t device, fl_hal_event handle) { event_of(device, handle); }

double event_elapsed(int32_t device, fl_hal_event start, fl_hal_event stop) {
  Event& first = event_of(device, start);
  Event& second = event_of(device, stop);
  if (!first.timing || !second.timing)
    fail(FL_INVALID_ARGUMENT, "event_elapsed: an event was created without timing; create both with it.");
  const int64_t begin = std::atomic_ref(first.nanoseconds).load(std::memory_order_relaxed);
  const int64_t end = std::atomic_ref(second.nanoseconds).load(std::memory_order_relaxed);
  if (begin == kNever || end == kNever)
    fail(FL_INVALID_ARGUMENT, "event_elapsed: the %s event was never recorded; record both.",
         begin == kNever ? "first" : "second");
  return static_cast<double>(end - begin) * 1e-6;
}

void stream_survives_fork() {
  tables();
  const auto lock = [] { tables().streams.lock_for_fork(), tables().events.lock_for_fork(); };
  const auto unlock = [] { tables().events.unlock_after_fork(), tables().streams.unlock_after_fork(); };
  pthread_atfork(lock, unlock, unlock);
}

}  // namespace fl::drivers::host
