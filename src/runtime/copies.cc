#include "runtime/copies.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/parallel_for.h"
#include "runtime/devices.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace fl::runtime {
namespace {

// A chunk of a copy that is staged through pinned memory: long enough that the cost of starting a transfer does not
// count, short enough that two of them overlap within most copies.
constexpr uint64_t kChunk = uint64_t{4} << 20;
constexpr int64_t kMemcpyGrain = int64_t{1} << 20;  // bytes worth a thread

void* pointer(uint64_t address) { return reinterpret_cast<void*>(address); }

void copy_on_host(uint64_t dst, uint64_t src, uint64_t size) {
  parallel_for(0, static_cast<int64_t>(size), kMemcpyGrain, [&](int64_t first, int64_t last) {
    const auto begin = static_cast<uint64_t>(first);
    std::memcpy(pointer(dst + begin), pointer(src + begin), static_cast<size_t>(last - first));
  });
}

// The side's stream, checked against its device.
void check_side(const fl_copy_side& side, const char* name) {
  if (side.device == FL_HOST) {
    if (side.stream) fail(FL_INVALID_ARGUMENT, "The %s of a copy is host memory and has a stream; give NULL.", name);
    return;
  }
  const Device& device = Devices::get().at(side.device);
  device.require_usable();
  if (!side.stream || side.stream->device != &device) {
    fail(FL_INVALID_ARGUMENT, "The %s of a copy is on flagos:%d and needs a stream of that device.", name, side.device);
  }
}

// Memory of a synchronous driver that the host may touch is host memory to every other driver: nothing is in flight.
bool is_like_host(const fl_copy_side& side) {
  const Device& device = *side.stream->device;
  return !device.asynchronous && device.driver.can(FL_CAP_HOST_ACCESS);
}

void enqueue(fl_stream* stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size) {
  Device& device = *stream->device;
  const char* what = kind == FL_COPY_HOST_TO_DEVICE   ? "copy from host memory"
                     : kind == FL_COPY_DEVICE_TO_HOST ? "copy to host memory"
                                                      : "copy within its memory";
  device.check(device.api.copy(device.ordinal, stream->handle, kind, dst, src, size), what);
}

// The range must not be released to the pinned cache and be used again before the stream has passed the copy. The
// driver itself tells pinned memory from other; without FL_COPY_ASYNC the caller waits anyway.
void copy_with_host(fl_stream* stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size,
                    bool asynchronous) {
  enqueue(stream, kind, dst, src, size);
  if (asynchronous) {
    Devices::get().pinned().record_stream(pointer(kind == FL_COPY_HOST_TO_DEVICE ? src : dst), stream);
  } else {
    synchronize(stream);
  }
}

void copy_on_device(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size) {
  order_after(dst.stream, src.stream);
  enqueue(dst.stream, FL_COPY_ON_DEVICE, dst.address, src.address, size);
  order_after(src.stream, dst.stream);
}

// "peer/1": the copy runs on the source's stream, so that its order there is given.
void copy_between_peers(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size) {
  Device& from = *src.stream->device;
  order_after(src.stream, dst.stream);
  from.check(from.driver.peer.copy(from.ordinal, src.stream->handle, dst.stream->device->ordinal, dst.address,
                                   from.ordinal, src.address, size),
             "copy to another device of its driver");
  order_after(dst.stream, src.stream);
}

// Pinned chunks that outlive this call until the copies out of them have passed.
struct PinnedChunk {
  explicit PinnedChunk(uint64_t size) : data(Devices::get().pinned().allocate(size)) {}
  ~PinnedChunk() { Devices::get().pinned().release(data); }
  PinnedChunk(const PinnedChunk&) = delete;
  PinnedChunk& operator=(const PinnedChunk&) = delete;
  uint64_t address() const { return reinterpret_cast<uint64_t>(data); }
  void* const data;
};

// Two chunks in turn: while one is on its way to the destination, the other is filled. The host waits for each chunk to
// arrive from the source, for no driver can wait for another one's event.
void copy_staged(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size) {
  Device& from = *src.stream->device;
  Device& to = *dst.stream->device;
  PinnedPool& pinned = Devices::get().pinned();
  const PinnedChunk chunks[2] = {PinnedChunk(std::min(size, kChunk)), PinnedChunk(std::min(size, kChunk))};
  const EventPool::Lease arrived(*from.events);
  const EventPool::Lease left[2] = {EventPool::Lease(*to.events), EventPool::Lease(*to.events)};
  for (uint64_t done = 0, turn = 0; done < size; done += kChunk, ++turn) {
    const PinnedChunk& chunk = chunks[turn % 2];
    const fl_hal_event passed = left[turn % 2].handle();
    const uint64_t bytes = std::min(kChunk, size - done);
    if (turn >= 2) to.check(to.api.event_synchronize(to.ordinal, passed), "wait for an event");
    enqueue(src.stream, FL_COPY_DEVICE_TO_HOST, chunk.address(), src.address + done, bytes);
    pinned.record_stream(chunk.data, src.stream);  // for an error between here and the wait
    from.check(from.api.event_record(from.ordinal, arrived.handle(), src.stream->handle), "record an event");
    from.check(from.api.event_synchronize(from.ordinal, arrived.handle()), "wait for an event");
    enqueue(dst.stream, FL_COPY_HOST_TO_DEVICE, dst.address + done, chunk.address(), bytes);
    pinned.record_stream(chunk.data, dst.stream);
    to.check(to.api.event_record(to.ordinal, passed, dst.stream->handle), "record an event");
  }
}

void copy_between_devices(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size, bool asynchronous) {
  const Device& from = *src.stream->device;
  const Device& to = *dst.stream->device;
  if (&from == &to) {
    copy_on_device(dst, src, size);
  } else if (&from.driver == &to.driver && from.driver.peer.struct_size) {
    copy_between_peers(dst, src, size);
  } else if (is_like_host(src) && is_like_host(dst)) {
    return copy_on_host(dst.address, src.address, size);
  } else if (is_like_host(src)) {
    return copy_with_host(dst.stream, FL_COPY_HOST_TO_DEVICE, dst.address, src.address, size, false);
  } else if (is_like_host(dst)) {
    return copy_with_host(src.stream, FL_COPY_DEVICE_TO_HOST, dst.address, src.address, size, false);
  } else {
    copy_staged(dst, src, size);
  }
  if (!asynchronous) synchronize(dst.stream);
}

}  // namespace

void copy(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size, uint32_t flags) {
  if (flags & ~static_cast<uint32_t>(FL_COPY_ASYNC)) {
    fail(FL_INVALID_ARGUMENT, "A copy has the unknown flags 0x%x; use FL_COPY_ASYNC or 0.", flags);
  }
  check_side(dst, "destination");
  check_side(src, "source");
  if (size == 0) return;
  if (dst.address == 0 || src.address == 0) {
    fail(FL_INVALID_ARGUMENT, "A copy of %llu bytes has a null address.", static_cast<unsigned long long>(size));
  }
  const bool asynchronous = flags & FL_COPY_ASYNC;
  if (src.device == FL_HOST && dst.device == FL_HOST) {
    copy_on_host(dst.address, src.address, size);
  } else if (src.device == FL_HOST) {
    copy_with_host(dst.stream, FL_COPY_HOST_TO_DEVICE, dst.address, src.address, size, asynchronous);
  } else if (dst.device == FL_HOST) {
    copy_with_host(src.stream, FL_COPY_DEVICE_TO_HOST, dst.address, src.address, size, asynchronous);
  } else {
    copy_between_devices(dst, src, size, asynchronous);
  }
}

}  // namespace fl::runtime
