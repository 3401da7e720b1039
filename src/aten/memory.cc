#include "aten/memory.h"

#include <ATen/core/CachingHostAllocator.h>

#include <cstring>

#include "aten/errors.h"

namespace flagos {
namespace {

void release_block(void* context) { fl_block_release(static_cast<fl_block*>(context)); }

c10::DataPtr allocate_labelled(c10::DeviceIndex device, size_t nbytes, c10::Device label) {
  if (nbytes == 0) return {nullptr, label};
  fl_block* block = nullptr;
  check(fl_block_allocate(current_stream(device), nbytes, &block));
  return {reinterpret_cast<void*>(block->address), block, &release_block, label};
}

// A copy between two allocations of one kind, as Allocator::clone asks for.
void copy_on_device(void* dst, const void* src, size_t nbytes) {
  fl_block found{};
  check(fl_block_find(reinterpret_cast<fl_addr>(dst), &found));
  auto* stream = current_stream(static_cast<c10::DeviceIndex>(found.device));
  const fl_copy_side to{reinterpret_cast<uint64_t>(dst), found.device, stream};
  const fl_copy_side from{reinterpret_cast<uint64_t>(src), found.device, stream};
  check(fl_copy(&to, &from, nbytes, FL_COPY_ASYNC));
}

class OneDevice final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t nbytes) override { return allocate_labelled(device, nbytes, label); }
  void copy_data(void* dst, const void* src, size_t nbytes) const override { copy_on_device(dst, src, nbytes); }

  c10::DeviceIndex device = 0;
  c10::Device label = c10::kCPU;
};

struct Allocators {
  OneDevice own[kMaxDevices], host_labelled[kMaxDevices];
  Allocators() {
    for (int i = 0; i < kMaxDevices; ++i) {
      const auto index = static_cast<c10::DeviceIndex>(i);
      own[i].device = host_labelled[i].device = index;
      own[i].label = c10::Device(kFlagos, index);
    }
  }
};

Allocators& allocators() {
  static auto* all = new Allocators;  // never destroyed: storages outlive static destructors
  return *all;
}

c10::CachingAllocator::Stat stat_of(const fl_stat& from) {
  c10::CachingAllocator::Stat stat;
  stat.current = from.current;
  stat.peak = from.peak;
  stat.allocated = from.allocated;
  stat.freed = from.freed;
  return stat;
}

void copy_stats(c10::CachingAllocator::StatArray& to, const fl_stat (&from)[3]) {
  for (size_t i = 0; i < 3; ++i) to[i] = stat_of(from[i]);  // both are {all, small, large}
}

class Caching final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t nbytes) override {
    const auto device = resolve_device(-1);
    return allocate_labelled(device, nbytes, {kFlagos, device});
  }
  void copy_data(void* dst, const void* src, size_t nbytes) const override { copy_on_device(dst, src, nbytes); }

  bool initialized() override { return device_count_or_zero() > 0; }

  void emptyCache(c10::MempoolId_t /*every pool*/) override {
    for (c10::DeviceIndex i = 0; i < device_count(); ++i) check(fl_memory_trim(i));
  }

  void recordStream(const c10::DataPtr& data, c10::Stream stream) override {
    if (auto* block = block_of(data)) check(fl_block_record_stream(block, from_torch(stream)));
  }

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    fl_memory_stats from{};
    from.struct_size = sizeof from;
    check(fl_memory_get_stats(resolve_device(device), &from));
    c10::CachingDeviceAllocator::DeviceStats to;
    copy_stats(to.allocation, from.allocation);
    copy_stats(to.segment, from.segment);
    copy_stats(to.active, from.active);
    copy_stats(to.inactive_split, from.inactive_split);
    copy_stats(to.allocated_bytes, from.allocated_bytes);
    copy_stats(to.reserved_bytes, from.reserved_bytes);
    copy_stats(to.active_bytes, from.active_bytes);
    copy_stats(to.inactive_split_bytes, from.inactive_split_bytes);
    copy_stats(to.requested_bytes, from.requested_bytes);
    to.num_alloc_retries = from.retries;
    to.num_ooms = from.out_of_memory;
    to.num_sync_all_streams = from.synchronisations;
    to.num_device_alloc = from.driver_allocations;
    to.num_device_free = from.driver_releases;
    to.max_split_size = from.max_split_size;
    return to;
  }
  void resetAccumulatedStats(c10::DeviceIndex device) override {
    check(fl_memory_reset_accumulated(resolve_device(device)));
  }
  void resetPeakStats(c10::DeviceIndex device) override { check(fl_memory_reset_peak(resolve_device(device))); }

  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    uint64_t free_bytes = 0, total_bytes = 0;
    check(fl_memory_info(resolve_device(device), &free_bytes, &total_bytes));
    return {free_bytes, total_bytes};
  }
};

class Pinned final : public at::HostAllocator {
 public:
  c10::DataPtr allocate(size_t nbytes) override {
    void* pointer = nullptr;
    if (nbytes > 0) check(fl_pinned_allocate(nbytes, &pointer));
    return {pointer, pointer, &fl_pinned_release, c10::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &fl_pinned_release; }
  void copy_data(void* dst, const void* src, size_t nbytes) const override { std::memcpy(dst, src, nbytes); }

  bool record_event(void* pointer, void* /*context*/, c10::Stream stream) override {
    if (!fl_pinned_contains(pointer)) return false;
    check(fl_pinned_record_stream(pointer, from_torch(stream)));
    return true;
  }
  void empty_cache() override { check(fl_pinned_trim()); }
  at::HostStats get_stats() override {
    fl_pinned_stats from{};
    from.struct_size = sizeof from;
    check(fl_pinned_get_stats(&from));
    at::HostStats to;
    to.allocations = stat_of(from.segment);
    to.active_requests = stat_of(from.allocation);
    to.allocated_bytes = stat_of(from.reserved_bytes);
    to.active_bytes = stat_of(from.allocated_bytes);
    return to;
  }
  void reset_accumulated_stats() override { check(fl_pinned_reset_accumulated()); }
  void reset_peak_stats() override { check(fl_pinned_reset_peak()); }
};

}  // namespace

c10::Allocator* device_allocator(c10::DeviceIndex device) { return &allocators().own[device]; }

c10::Allocator* host_labelled_allocator(c10::DeviceIndex device) { return &allocators().host_labelled[device]; }

fl_block* block_of(const c10::DataPtr& data) {
  return data.get_deleter() == &release_block ? static_cast<fl_block*>(data.get_context()) : nullptr;
}

c10::DataPtr allocate_on(c10::DeviceIndex device, size_t nbytes) {
  return allocate_labelled(device, nbytes, {kFlagos, device});
}

c10::DeviceAllocator* caching_allocator() {
  static auto* allocator = new Caching;
  return allocator;
}

namespace {
const bool registered = [] {
  c10::SetAllocator(kFlagos, caching_allocator());
  at::setHostAllocator(kFlagos, new Pinned);
  return true;
}();
}  // namespace

}  // namespace flagos
