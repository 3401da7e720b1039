// fl_stream_* and fl_event_*: the C boundary of streams and events.
#include "base/error.h"
#include "runtime/devices.h"
#include "runtime/event.h"
#include "runtime/stream.h"

using fl::guarded;
using fl::runtime::Device;
using fl::runtime::Devices;

namespace {

void need(const void* pointer, const char* what) {
  if (!pointer) fl::fail(FL_INVALID_ARGUMENT, "A null %s was given.", what);
}

}  // namespace

fl_status fl_stream_default(int32_t device, fl_stream** stream) {
  return guarded([&] { *stream = Devices::get().at(device).streams->default_stream(); });
}

fl_status fl_stream_from_pool(int32_t device, int32_t priority, fl_stream** stream) {
  return guarded([&] { *stream = Devices::get().at(device).streams->from_pool(priority); });
}

fl_status fl_stream_from_id(int32_t device, int64_t id, fl_stream** stream) {
  return guarded([&] {
    *stream = Devices::get().at(device).streams->from_id(id);
    if (!*stream) {
      fl::fail(FL_INVALID_ARGUMENT, "flagos:%d has handed out no stream with the id %lld.", device,
               static_cast<long long>(id));
    }
  });
}

int64_t fl_stream_id(const fl_stream* stream) { return stream->id; }
int32_t fl_stream_device(const fl_stream* stream) { return stream->device->index; }
int32_t fl_stream_priority(const fl_stream* stream) { return stream->priority; }

fl_status fl_stream_query(fl_stream* stream) {
  return guarded([&] {
    need(stream, "stream");
    return fl::runtime::query(stream);
  });
}

fl_status fl_stream_synchronize(fl_stream* stream) {
  return guarded([&] {
    need(stream, "stream");
    fl::runtime::synchronize(stream);
  });
}

fl_status fl_stream_wait(fl_stream* stream, fl_event* event) {
  return guarded([&] {
    need(stream, "stream");
    need(event, "event");
    Device& device = *stream->device;
    Device& other = *event->device;
    device.require_usable();
    other.require_usable();
    if (!event->recorded.load(std::memory_order_acquire)) return;
    if (&device == &other) {
      device.check(device.api.stream_wait(device.ordinal, stream->handle, event->handle),
                   "make a stream wait for an event");
    } else {
      // Handles of two devices never meet in a driver call: the host waits in the stream's place.
      other.check(other.api.event_synchronize(other.ordinal, event->handle), "wait for an event");
    }
  });
}

fl_status fl_stream_native(fl_stream* stream, void** native) {
  return guarded([&] {
    need(stream, "stream");
    Device& device = *stream->device;
    device.require_usable();
    device.check(device.api.stream_native(device.ordinal, stream->handle, native), "give a stream's native handle");
  });
}

fl_status fl_stream_host_function(fl_stream* stream, void (*function)(void* context), void* context) {
  return guarded([&] {
    need(stream, "stream");
    need(reinterpret_cast<const void*>(function), "host function");
    Device& device = *stream->device;
    device.require_usable();
    if (device.driver.hostfunc.struct_size) {
      device.check(device.driver.hostfunc.enqueue(device.ordinal, stream->handle, function, context),
                   "enqueue a host function");
      return;
    }
    fl::runtime::synchronize(stream);
    function(context);
  });
}

fl_status fl_event_create(int32_t index, int32_t timing, fl_event** event) {
  return guarded([&] {
    Device& device = Devices::get().at(index);
    device.require_usable();
    if (!timing) {
      *event = new fl_event{&device, device.events->take(), false};
      return;
    }
    if (!device.driver.can(FL_CAP_EVENT_TIMING)) {
      fl::fail(FL_UNSUPPORTED,
               "%s has no events with timing. Create the event without timing, and take the time on the host.",
               device.name().c_str());
    }
    fl_hal_event handle = nullptr;
    device.check(device.api.event_create(device.ordinal, 1, &handle), "create an event with timing");
    device.opened.store(true, std::memory_order_relaxed);
    *event = new fl_event{&device, handle, true};
  });
}

void fl_event_destroy(fl_event* event) {
  if (!event) return;
  Device& device = *event->device;
  if (!event->timing) {
    device.events->give_back(event->handle);
  } else if (!fl::runtime::exiting() && device.usable()) {
    const fl_status status = device.api.event_destroy(device.ordinal, event->handle);
    if (status != FL_OK) device.log_failure(status, "destroy an event");
  }
  delete event;
}

fl_status fl_event_record(fl_event* event, fl_stream* stream) {
  return guarded([&] {
    need(event, "event");
    need(stream, "stream");
    Device& device = *event->device;
    if (stream->device != &device) {
      fl::fail(FL_INVALID_ARGUMENT,
               "An event of flagos:%d cannot be recorded on a stream of flagos:%d. Create it on that device.",
               device.index, stream->device->index);
    }
    device.require_usable();
    device.check(device.api.event_record(device.ordinal, event->handle, stream->handle), "record an event");
    event->recorded.store(true, std::memory_order_release);
  });
}

fl_status fl_event_query(fl_event* event) {
  return guarded([&] {
    need(event, "event");
    Device& device = *event->device;
    device.require_usable();
    if (!event->recorded.load(std::memory_order_acquire)) return FL_OK;
    return device.answer(device.api.event_query(device.ordinal, event->handle), "query an event");
  });
}

fl_status fl_event_synchronize(fl_event* event) {
  return guarded([&] {
    need(event, "event");
    Device& device = *event->device;
    device.require_usable();
    if (!event->recorded.load(std::memory_order_acquire)) return;
    device.check(device.api.event_synchronize(device.ordinal, event->handle), "wait for an event");
  });
}

fl_status fl_event_elapsed(fl_event* start, fl_event* stop, double* milliseconds) {
  return guarded([&] {
    need(start, "start event");
    need(stop, "stop event");
    Device& device = *start->device;
    device.require_usable();
    if (stop->device != &device)
      fl::fail(FL_INVALID_ARGUMENT, "The two events of a measurement are on different devices.");
    if (!start->timing || !stop->timing) {
      fl::fail(FL_INVALID_ARGUMENT, "An event without timing cannot be measured with. Create both events with timing.");
    }
    if (!start->recorded.load(std::memory_order_acquire) || !stop->recorded.load(std::memory_order_acquire)) {
      fl::fail(FL_INVALID_ARGUMENT, "An event of this measurement was never recorded. Record both first.");
    }
    return device.answer(device.api.event_elapsed(device.ordinal, start->handle, stop->handle, milliseconds),
                         "measure the time between two events");
  });
}
