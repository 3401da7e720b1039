#include "runtime/pinned.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/log.h"
#include "runtime/device.h"
#include "runtime/devices.h"
#include "runtime/stream.h"

namespace fl::runtime {
namespace {

constexpr uint64_t kLeast = 512;
constexpr uint64_t kLargest = uint64_t{1} << 62;

void count(fl_stat* stat, int64_t amount) {
  stat->current += amount;
  if (amount > 0) {
    stat->allocated += amount;
    stat->peak = std::max(stat->peak, stat->current);
  } else {
    stat->freed -= amount;
  }
}

}  // namespace

PinnedPool::PinnedPool() { stats_.struct_size = sizeof(stats_); }
PinnedPool::~PinnedPool() = default;

Device& PinnedPool::device() const {
  if (!device_) {
    fl::fail(FL_ABSENT,
             "Pinned memory comes from a device's driver, and there is no flagos device here. Run `flagos doctor` "
             "to see why each driver is absent.");
  }
  device_->require_usable();
  return *device_;
}

void* PinnedPool::allocate(uint64_t size) {
  if (size == 0) return nullptr;
  Device& device = this->device();
  if (size > kLargest)
    fl::fail(FL_OUT_OF_MEMORY, "No host has %llu bytes to pin.", static_cast<unsigned long long>(size));
  const uint64_t rounded = std::bit_ceil(std::max(size, kLeast));
  std::vector<void*> ready;
  deferred_.poll(&ready);
  reuse(ready);
  const auto size_class = static_cast<size_t>(std::countr_zero(rounded));
  const auto hand_out = [&](Block* block) {
    block->live = true;
    count(&stats_.allocation, 1);
    count(&stats_.allocated_bytes, static_cast<int64_t>(block->size));
    return reinterpret_cast<void*>(block->address);
  };
  {
    const std::lock_guard lock(mutex_);
    if (std::vector<Block*>& free = free_[size_class]; !free.empty()) {
      Block* block = free.back();
      free.pop_back();
      return hand_out(block);
    }
  }
  auto block = std::make_unique<Block>();
  void* pointer = nullptr;
  fl_status status = device.api.host_allocate(rounded, &pointer);
  if (status == FL_OUT_OF_MEMORY) {
    trim();
    status = device.api.host_allocate(rounded, &pointer);
  }
  device.check(status, ("allocate " + std::to_string(rounded) + " bytes of pinned host memory").c_str());
  device.opened.store(true, std::memory_order_relaxed);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  *block = {address, rounded, false, {}};
  const std::lock_guard lock(mutex_);
  lowest_.store(std::min(lowest_.load(std::memory_order_relaxed), address), std::memory_order_relaxed);
  highest_.store(std::max(highest_.load(std::memory_order_relaxed), address + rounded), std::memory_order_relaxed);
  // The release of a block must not need memory: its place in the free list is made here.
  free_[size_class].reserve(blocks_.size() + 1);
  Block* made = (blocks_[address] = std::move(block)).get();
  count(&stats_.segment, 1);
  count(&stats_.reserved_bytes, static_cast<int64_t>(rounded));
  return hand_out(made);
}

PinnedPool::Block* PinnedPool::live_block(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto next = blocks_.upper_bound(address);
  if (next == blocks_.begin()) return nullptr;
  Block* block = std::prev(next)->second.get();
  return block->live && address - block->address < block->size ? block : nullptr;
}

bool PinnedPool::contains(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (address < lowest_.load(std::memory_order_relaxed) || address >= highest_.load(std::memory_order_relaxed))
    return false;
  const std::lock_guard lock(mutex_);
  return live_block(pointer) != nullptr;
}

bool PinnedPool::record_stream(const void* pointer, fl_stream* stream) {
  if (!contains(pointer)) return false;
  const std::lock_guard lock(mutex_);
  Block* block = live_block(pointer);
  if (!block) return false;
  if (!stream->device->asynchronous) return true;
  if (std::find(block->users.begin(), block->users.end(), stream) == block->users.end()) block->users.push_back(stream);
  return true;
}

void PinnedPool::put_back(Block* block) { free_[std::countr_zero(block->size)].push_back(block); }

void PinnedPool::release(void* pointer) noexcept {
  if (!pointer) return;
  std::vector<fl_stream*> users;
  Block* block = nullptr;
  {
    const std::lock_guard lock(mutex_);
    block = live_block(pointer);
    if (!block || block->address != reinterpret_cast<uintptr_t>(pointer)) {
      log(FL_LOG_ERROR, "%p is not the start of a live pinned block; its release is ignored.", pointer);
      return;
    }
    block->live = false;
    count(&stats_.allocation, -1);
    count(&stats_.allocated_bytes, -static_cast<int64_t>(block->size));
    users.swap(block->users);
    if (users.empty()) return put_back(block);
  }
  if (exiting()) return;
  if (deferred_.add(block, users)) {
    const std::lock_guard lock(mutex_);
    put_back(block);
  }
}

void PinnedPool::reuse(const std::vector<void*>& ready) {
  if (ready.empty()) return;
  const std::lock_guard lock(mutex_);
  for (void* item : ready) put_back(static_cast<Block*>(item));
}

void PinnedPool::trim() {
  if (!device_) return;
  device().require_usable();
  std::vector<void*> ready;
  deferred_.poll(&ready);
  reuse(ready);
  const std::lock_guard lock(mutex_);
  for (std::vector<Block*>& free : free_) {
    for (const Block* block : free) {
      void* pointer = reinterpret_cast<void*>(block->address);
      if (const fl_status status = device_->api.host_release(pointer))
        device_->log_failure(status, "release pinned memory");
      count(&stats_.segment, -1);
      count(&stats_.reserved_bytes, -static_cast<int64_t>(block->size));
      blocks_.erase(block->address);
    }
    free.clear();
  }
}

fl_pinned_stats PinnedPool::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void PinnedPool::reset_peak() {
  const std::lock_guard lock(mutex_);
  for (fl_stat* stat : {&stats_.allocation, &stats_.segment, &stats_.allocated_bytes, &stats_.reserved_bytes}) {
    stat->peak = stat->current;
  }
}

void PinnedPool::reset_accumulated() {
  const std::lock_guard lock(mutex_);
  for (fl_stat* stat : {&stats_.allocation, &stats_.segment, &stats_.allocated_bytes, &stats_.reserved_bytes}) {
    stat->allocated = stat->freed = 0;
  }
}

void PinnedPool::lock_for_fork() {
  deferred_.lock_for_fork();
  mutex_.lock();
}

void PinnedPool::unlock_after_fork() {
  mutex_.unlock();
  deferred_.unlock_after_fork();
}

}  // namespace fl::runtime
