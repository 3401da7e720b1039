#include "runtime/stream.h"

#include <algorithm>

#include "runtime/device.h"
#include "runtime/event.h"

namespace fl::runtime {

StreamTable::StreamTable(Device& device) : device_(device), default_{&device, nullptr, 0, 0} {
  streams_[0] = &default_;
}

StreamTable::~StreamTable() = default;

fl_stream* StreamTable::from_pool(int32_t priority) {
  device_.require_usable();
  const int32_t urgency = std::clamp(-priority, 0, kPriorities - 1);
  const uint32_t turn = next_[static_cast<size_t>(urgency)].fetch_add(1, std::memory_order_relaxed);
  const int32_t id = 1 + urgency * kPoolSize + static_cast<int32_t>(turn % kPoolSize);
  std::atomic<fl_stream*>& place = streams_[static_cast<size_t>(id)];
  if (fl_stream* stream = place.load(std::memory_order_acquire)) return stream;
  const std::lock_guard lock(mutex_);
  if (fl_stream* stream = place.load(std::memory_order_acquire)) return stream;
  fl_hal_stream handle = nullptr;
  device_.check(device_.api.stream_create(device_.ordinal, -urgency, &handle), "create a stream");
  device_.opened.store(true, std::memory_order_relaxed);
  auto* stream = new fl_stream{&device_, handle, id, -urgency};
  place.store(stream, std::memory_order_release);
  return stream;
}

fl_stream* StreamTable::from_id(int64_t id) const {
  if (id < 0 || id >= kStreams) return nullptr;
  return streams_[static_cast<size_t>(id)].load(std::memory_order_acquire);
}

fl_status query(fl_stream* stream) {
  Device& device = *stream->device;
  device.require_usable();
  if (!device.asynchronous) return FL_OK;
  return device.answer(device.api.stream_query(device.ordinal, stream->handle), "query a stream");
}

void synchronize(fl_stream* stream) {
  Device& device = *stream->device;
  device.require_usable();
  if (!device.asynchronous) return;
  device.check(device.api.stream_synchronize(device.ordinal, stream->handle), "synchronize a stream");
}

void order_after(fl_stream* waiter, fl_stream* other) {
  if (waiter == other) return;
  Device& device = *other->device;
  device.require_usable();
  waiter->device->require_usable();
  if (!device.asynchronous) return;
  const EventPool::Lease event(*device.events);
  device.check(device.api.event_record(device.ordinal, event.handle(), other->handle), "record an event");
  if (waiter->device == &device) {
    device.check(device.api.stream_wait(device.ordinal, waiter->handle, event.handle()),
                 "make a stream wait for an event");
  } else {
    device.check(device.api.event_synchronize(device.ordinal, event.handle()), "wait for an event");
  }
}

}  // namespace fl::runtime
