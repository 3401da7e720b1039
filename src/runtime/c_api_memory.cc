// fl_block_*, fl_memory_*, fl_pinned_*, fl_copy and fl_fill: the C boundary of memory.
#include "base/error.h"
#include "base/struct_size.h"
#include "runtime/block_pool.h"
#include "runtime/copies.h"
#include "runtime/devices.h"

using fl::guarded;
using fl::runtime::Block;
using fl::runtime::Device;
using fl::runtime::Devices;
using fl::runtime::StreamMemory;

namespace {

void need(const void* pointer, const char* what) {
  if (!pointer) fl::fail(FL_INVALID_ARGUMENT, "A null %s was given.", what);
}

}  // namespace

fl_status fl_block_allocate(fl_stream* stream, uint64_t size, fl_block** block) {
  if (stream) [[likely]] {
    StreamMemory* memory = stream->memory.load(std::memory_order_acquire);
    if (memory) [[likely]] {
      if (Block* found = memory->pool->try_allocate(memory, size)) [[likely]] {
        *block = found;
        return FL_OK;
      }
    }
  }
  return guarded([&] {
    need(stream, "stream");
    *block = stream->device->memory->allocate(stream, size);
  });
}

void fl_block_release(fl_block* block) {
  if (!block || block->size == 0) return;
  auto* released = static_cast<Block*>(block);
  released->owner->pool->release(released);
}

fl_status fl_block_record_stream(fl_block* block, fl_stream* stream) {
  return guarded([&] {
    need(block, "block");
    need(stream, "stream");
    if (block->size == 0) return;
    auto* used = static_cast<Block*>(block);
    used->owner->pool->record_stream(used, stream);
  });
}

fl_status fl_block_find(fl_addr address, fl_block* found) {
  return guarded([&] {
    for (const auto& device : Devices::get().all()) {
      if (device->memory->find(address, found)) return;
    }
    fl::fail(FL_INVALID_ARGUMENT, "The address 0x%llx lies in no allocated block of any flagos device.",
             static_cast<unsigned long long>(address));
  });
}

fl_status fl_memory_get_stats(int32_t device, fl_memory_stats* out) {
  return guarded([&] { fl::fill_struct(out, Devices::get().at(device).memory->stats()); });
}

fl_status fl_memory_reset_peak(int32_t device) {
  return guarded([&] { Devices::get().at(device).memory->reset_peak(); });
}

fl_status fl_memory_reset_accumulated(int32_t device) {
  return guarded([&] { Devices::get().at(device).memory->reset_accumulated(); });
}

fl_status fl_memory_trim(int32_t device) {
  return guarded([&] { Devices::get().at(device).memory->trim(); });
}

fl_status fl_memory_info(int32_t index, uint64_t* free_bytes, uint64_t* total_bytes) {
  return guarded([&] {
    Device& device = Devices::get().at(index);
    device.require_usable();
    device.check(device.api.memory_info(device.ordinal, free_bytes, total_bytes), "tell its free memory");
  });
}

fl_status fl_memory_set_fraction(int32_t device, double fraction) {
  return guarded([&] { Devices::get().at(device).memory->set_fraction(fraction); });
}

fl_status fl_memory_get_fraction(int32_t device, double* fraction) {
  return guarded([&] { *fraction = Devices::get().at(device).memory->fraction(); });
}

fl_status fl_memory_snapshot(int32_t device, fl_text_sink sink, void* context) {
  return guarded([&] {
    need(reinterpret_cast<const void*>(sink), "text sink");
    Devices::get().at(device).memory->snapshot(sink, context);
  });
}

fl_status fl_pinned_allocate(uint64_t size, void** pointer) {
  return guarded([&] { *pointer = Devices::get().pinned().allocate(size); });
}

void fl_pinned_release(void* pointer) {
  if (pointer) guarded([&] { Devices::get().pinned().release(pointer); });
}

int32_t fl_pinned_contains(const void* pointer) {
  int32_t found = 0;
  guarded([&] { found = Devices::get().pinned().contains(pointer); });
  return found;
}

fl_status fl_pinned_record_stream(const void* pointer, fl_stream* stream) {
  return guarded([&] {
    need(stream, "stream");
    if (!Devices::get().pinned().record_stream(pointer, stream)) {
      fl::fail(FL_INVALID_ARGUMENT, "%p lies in no live pinned block.", pointer);
    }
  });
}

fl_status fl_pinned_trim(void) {
  return guarded([] { Devices::get().pinned().trim(); });
}

fl_status fl_pinned_get_stats(fl_pinned_stats* out) {
  return guarded([&] { fl::fill_struct(out, Devices::get().pinned().stats()); });
}

fl_status fl_pinned_reset_peak(void) {
  return guarded([] { Devices::get().pinned().reset_peak(); });
}

fl_status fl_pinned_reset_accumulated(void) {
  return guarded([] { Devices::get().pinned().reset_accumulated(); });
}

fl_status fl_copy(const fl_copy_side* dst, const fl_copy_side* src, uint64_t size, uint32_t flags) {
  return guarded([&] {
    need(dst, "destination");
    need(src, "source");
    fl::runtime::copy(*dst, *src, size, flags);
  });
}

fl_status fl_fill(fl_stream* stream, fl_addr dst, const void* pattern, uint32_t pattern_size, uint64_t count) {
  return guarded([&] {
    need(stream, "stream");
    Device& device = *stream->device;
    device.require_usable();
    if (pattern_size == 0 || pattern_size > 16 || (pattern_size & (pattern_size - 1))) {
      fl::fail(FL_INVALID_ARGUMENT, "A fill pattern has %u bytes; it must have 1, 2, 4, 8 or 16.", pattern_size);
    }
    if (count == 0) return;
    need(pattern, "fill pattern");
    device.check(device.api.fill(device.ordinal, stream->handle, dst, pattern, pattern_size, count), "fill memory");
  });
}
