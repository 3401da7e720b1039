// Streams and events, as the driver table has them, over the engine's queues.
#include <chrono>

#include "base/error.h"
#include "drivers/common/handle_table.h"
#include "drivers/sim/driver.h"

namespace fl::drivers::sim {
namespace {

struct StreamEntry {
  int32_t device;
  std::shared_ptr<Stream> stream;
};

struct Event {
  int32_t device;
  bool timing;
  std::shared_ptr<Point> point;  // of the last record; null before the first
};

struct Tables {
  HandleTable<StreamEntry, fl_hal_stream, HandleKind::kSimStream> streams;
  HandleTable<Event, fl_hal_event, HandleKind::kSimEvent> events;
};

// Never destroyed: see engine().
Tables& tables() {
  static Tables* const instance = new Tables;
  return *instance;
}

// The object behind a handle, of the device that it is used with.
template <typename Table, typename Handle>
auto& entry_of(Table& table, Handle handle, const Device& device, const char* what) {
  auto* const entry = table.find(handle);
  if (!entry)
    fail(FL_INVALID_ARGUMENT, "The simulated accelerator has no %s %p; it was destroyed, or belongs to another driver.",
         what, static_cast<void*>(handle));
  if (entry->device != device.index)
    fail(FL_INVALID_ARGUMENT, "The %s belongs to device %d of the simulated accelerator, not to device %d.", what,
         entry->device, device.index);
  return *entry;
}

Event& event_of(const Device& device, fl_hal_event handle) {
  return entry_of(tables().events, handle, device, "event");
}

bool complete(const Event& event) { return !event.point || event.point->done; }

}  // namespace

Stream& stream_of(Device& device, fl_hal_stream handle) {
  if (!handle) return *device.default_stream;
  return *entry_of(tables().streams, handle, device, "stream").stream;
}

fl_hal_stream stream_create(int32_t index) {
  Call call(index);
  Device& device = call.device();
  auto stream = std::make_shared<Stream>(device);
  device.streams.push_back(stream);
  return tables().streams.insert({index, std::move(stream)});
}

void stream_destroy(int32_t index, fl_hal_stream handle) {
  Call call(index, Call::Purpose::kCleaning);
  Device& device = call.device();
  if (!handle) fail(FL_INVALID_ARGUMENT, "stream_destroy: the default stream stays.");
  stream_of(device, handle);
  StreamEntry entry;
  if (!tables().streams.remove(handle, &entry))
    fail(FL_INVALID_ARGUMENT, "stream_destroy: another thread destroyed it.");
  entry.stream->close(call.lock());
  std::erase(device.streams, entry.stream);
}

fl_status stream_query(int32_t index, fl_hal_stream handle) {
  Call call(index);
  return stream_of(call.device(), handle).idle() ? FL_OK : FL_NOT_READY;
}

void stream_synchronize(int32_t index, fl_hal_stream handle) {
  Call call(index);
  Stream& stream = stream_of(call.device(), handle);
  stream.wait(call.lock(), stream.last_ticket());
  call.check_alive();
}

void stream_wait(int32_t index, fl_hal_stream handle, fl_hal_event event) {
  Call call(index);
  Stream& stream = stream_of(call.device(), handle);
  const std::shared_ptr<Point> point = event_of(call.device(), event).point;
  if (point && !point->done) stream.submit({.ready = [point] { return point->done; }});
}

void* stream_native(int32_t index, fl_hal_stream handle) {
  Call call(index);
  stream_of(call.device(), handle);
  return handle;  // there is no library below: the handle is the native one, NULL the default stream's
}

void device_synchronize(int32_t index) {
  Call call(index);
  Device& device = call.device();
  std::vector<std::pair<std::shared_ptr<Stream>, uint64_t>> work;  // what was enqueued before the call
  work.emplace_back(device.default_stream, device.default_stream->last_ticket());
  for (const auto& stream : device.streams) work.emplace_back(stream, stream->last_ticket());
  for (const auto& [stream, ticket] : work) stream->wait(call.lock(), ticket);
  call.check_alive();
}

fl_hal_event event_create(int32_t index, int32_t timing) {
  Call call(index);
  return tables().events.insert({index, timing != 0, nullptr});
}

void event_destroy(int32_t index, fl_hal_event handle) {
  Call call(index, Call::Purpose::kCleaning);
  event_of(call.device(), handle);
  Event removed;
  tables().events.remove(handle, &removed);
}

void event_record(int32_t index, fl_hal_event handle, fl_hal_stream stream) {
  Call call(index);
  Stream& on = stream_of(call.device(), stream);
  Event& event = event_of(call.device(), handle);
  auto point = std::make_shared<Point>();
  on.submit({.finish = [point] {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    point->nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    point->done = true;
  }});
  event.point = std::move(point);
}

fl_status event_query(int32_t index, fl_hal_event handle) {
  Call call(index);
  return complete(event_of(call.device(), handle)) ? FL_OK : FL_NOT_READY;
}

void event_synchronize(int32_t index, fl_hal_event handle) {
  Call call(index);
  const std::shared_ptr<Point> point = event_of(call.device(), handle).point;
  engine().changed.wait(call.lock(), [&] { return !point || point->done; });
  call.check_alive();
}

fl_status event_elapsed(int32_t index, fl_hal_event start, fl_hal_event stop, double* milliseconds) {
  Call call(index);
  const Event& first = event_of(call.device(), start);
  const Event& second = event_of(call.device(), stop);
  if (!first.timing || !second.timing)
    fail(FL_INVALID_ARGUMENT, "event_elapsed: an event was created without timing; create both with it.");
  if (!first.point || !second.point)
    fail(FL_INVALID_ARGUMENT, "event_elapsed: the %s event was never recorded; record both.",
         first.point ? "second" : "first");
  if (!complete(first) || !complete(second)) return FL_NOT_READY;
  *milliseconds = static_cast<double>(second.point->nanoseconds - first.point->nanoseconds) * 1e-6;
  return FL_OK;
}

}  // namespace fl::drivers::sim
