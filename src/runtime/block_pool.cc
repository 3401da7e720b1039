#include "runtime/block_pool.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "runtime/devices.h"

namespace fl::runtime {
namespace {

constexpr uint64_t kSmallSegment = uint64_t{2} << 20;
constexpr uint64_t kSharedSegment = uint64_t{20} << 20;
constexpr uint64_t kOwnSegmentFrom = uint64_t{10} << 20;  // requests from here on get a segment of their own
constexpr uint64_t kOwnSegmentStep = uint64_t{2} << 20;   // a huge page of most machines
constexpr uint64_t kLargestRequest = uint64_t{1} << 62;   // beyond it rounding would overflow

uint64_t round_to(uint64_t size, uint64_t step) { return (size + step - 1) / step * step; }

PoolKind kind_of(uint64_t size) { return size <= kSmallLimit ? kSmallPool : kLargePool; }

// A segment for a request; a shared one was only ever made for requests below kOwnSegmentFrom.
uint64_t segment_size(uint64_t size) {
  if (size <= kSmallLimit) return kSmallSegment;
  return size < kOwnSegmentFrom ? kSharedSegment : round_to(size, kOwnSegmentStep);
}

// The least rest that is cut off: what the pool can use for another request. See Note [When a large block is cut].
uint64_t least_rest(const Block& block) {
  if (block.pool == kSmallPool) return FreeBlocks::kUnit;
  const bool shared = block.segment->size == kSharedSegment;
  return shared ? kSmallLimit + 1 : std::max(kSmallLimit + 1, block.size / 8);
}

}  // namespace

BlockPool::BlockPool(Device& device)
    : device_(device),
      granularity_(std::max<uint64_t>(FreeBlocks::kUnit, device.info.alignment)),
      limit_(device.info.total_memory ? device.info.total_memory : UINT64_MAX) {
  empty_.device = device.index;
}

BlockPool::~BlockPool() = default;

uint64_t BlockPool::round_up(uint64_t size) const { return (size + granularity_ - 1) & ~(granularity_ - 1); }

StreamMemory& BlockPool::memory_of(fl_stream* stream) {
  if (StreamMemory* memory = stream->memory.load(std::memory_order_acquire)) return *memory;
  auto made = std::make_unique<StreamMemory>(*this, stream);
  const std::lock_guard lock(lock_);
  if (StreamMemory* memory = stream->memory.load(std::memory_order_acquire)) return *memory;
  memories_.push_back(std::move(made));
  stream->memory.store(memories_.back().get(), std::memory_order_release);
  return *memories_.back();
}

Block* BlockPool::allocate(fl_stream* stream, uint64_t size) {
  device_.require_usable();
  if (size == 0) return &empty_;
  if (size > kLargestRequest) fail_out_of_memory(size, size);
  const uint64_t rounded = round_up(size);
  const PoolKind kind = kind_of(rounded);
  StreamMemory& memory = memory_of(stream);
  std::vector<void*> ready;
  deferred_.poll(&ready);
  reuse(ready);

  const auto take_one = [&](bool any_block) {
    const std::lock_guard lock(lock_);
    Block* block = take(memory, kind, rounded, any_block);
    return block ? hand_out(block, size) : nullptr;
  };
  if (Block* block = take_one(false)) return block;
  const std::lock_guard growing(growth_);
  // Another thread may have grown the pool meanwhile, or may take what this one has grown it by: hence the loops.
  for (;;) {
    if (Block* block = take_one(false)) return block;
    if (!grow(memory, kind, segment_size(rounded))) break;
  }
  if (Block* block = take_one(true)) return block;
  ready.clear();
  deferred_.wait(&ready);
  reuse(ready);
  if (Block* block = take_one(true)) return block;
  give_back_idle_segments();
  {
    const std::lock_guard lock(lock_);
    ++counters_.retries;
  }
  const uint64_t least = kind == kSmallPool ? kSmallSegment : round_to(rounded, kOwnSegmentStep);
  while (grow(memory, kind, segment_size(rounded)) || grow(memory, kind, least)) {
    if (Block* block = take_one(true)) return block;
  }
  fail_out_of_memory(size, rounded);
}

void BlockPool::release(Block* block) noexcept {
  if (block->size == 0) return;  // the empty block
  std::vector<fl_stream*> users;
  {
    const std::lock_guard lock(lock_);
    if (block->state != BlockState::kAllocated) [[unlikely]] {
      log(FL_LOG_ERROR, "A block of flagos:%d was released twice; the second release is ignored.", device_.index);
      return;
    }
    counters_.released(*block);
    if (block->users.empty()) [[likely]] {
      if (block->pool == kSmallPool) {
        block->state = BlockState::kCached;
        Block*& head = block->owner->cached[block->size / FreeBlocks::kUnit];
        block->next_free = head;
        head = block;
        counters_.split(*block);
      } else {
        put_back(block);
      }
      return;
    }
    block->state = BlockState::kDeferred;
    counters_.deferred(*block);
    users.swap(block->users);
  }
  if (exiting()) return;  // no event can be recorded any more; the process ends with the block
  if (deferred_.add(block, users)) {
    const std::lock_guard lock(lock_);
    counters_.undeferred(*block);
    put_back(block);
  }
}

void BlockPool::reuse(const std::vector<void*>& ready) {
  if (ready.empty()) return;
  const std::lock_guard lock(lock_);
  for (void* item : ready) {
    auto* block = static_cast<Block*>(item);
    counters_.undeferred(*block);
    put_back(block);
  }
}

void BlockPool::record_stream(Block* block, fl_stream* stream) {
  device_.require_usable();
  // On a synchronous device nothing is ever in flight, and a stream's own reuse is in its order anyway.
  if (block->size == 0 || !stream->device->asynchronous || block->owner->stream == stream) return;
  const std::lock_guard lock(lock_);
  if (std::find(block->users.begin(), block->users.end(), stream) == block->users.end()) block->users.push_back(stream);
}

bool BlockPool::find(fl_addr address, fl_block* found) {
  const std::lock_guard lock(lock_);
  auto next = segments_.upper_bound(address);
  if (next == segments_.begin()) return false;
  const Segment& segment = *std::prev(next)->second;
  if (address - segment.address >= segment.size) return false;
  const Block* block = segment.first;
  while (block && address - block->address >= block->size) block = block->after;
  if (!block || block->state != BlockState::kAllocated) return false;  // null: on its way back to the driver
  *found = *block;
  return true;
}

// ---- With lock_ held ----

Block* BlockPool::take(StreamMemory& memory, PoolKind kind, uint64_t size, bool any_block) {
  if (kind == kSmallPool) {
    if (Block*& head = memory.cached[size / FreeBlocks::kUnit]) {
      Block* block = head;
      head = block->next_free;
      counters_.unsplit(*block);
      return block;
    }
    Block* block = memory.free[kSmallPool].best_fit(size);
    if (!block) {
      merge_cached(memory);
      block = memory.free[kSmallPool].best_fit(size);
    }
    return block ? cut(block, size) : nullptr;
  }
  Block* block = memory.free[kLargePool].best_fit(size);
  if (!block) return nullptr;
  const bool shared = block->segment->size == kSharedSegment;
  const bool mostly_idle = memory.large_free > memory.large_reserved - memory.large_free;
  if (!shared && !any_block && block->size / 2 > size && !mostly_idle) return nullptr;
  return cut(block, size);
}

// Takes the block from its list and returns it with `size` bytes, or with a little more when the rest is of no use.
Block* BlockPool::cut(Block* block, uint64_t size) {
  const bool keep_rest = block->size - size >= least_rest(*block);
  Block* rest = keep_rest ? new_record() : nullptr;
  remove_free(block);
  if (!rest) return block;
  static_cast<fl_block&>(*rest) = {block->address + size, block->size - size, block->device, 0};
  rest->pool = block->pool;
  rest->owner = block->owner;
  rest->segment = block->segment;
  rest->before = block;
  rest->after = block->after;
  if (rest->after) rest->after->before = rest;
  block->after = rest;
  block->size = size;
  insert_free(rest);
  return block;
}

void BlockPool::insert_free(Block* block) {
  block->state = BlockState::kFree;
  block->owner->free[block->pool].insert(block);
  if (block->pool == kLargePool) block->owner->large_free += block->size;
  if (!block->is_whole_segment()) counters_.split(*block);
}

void BlockPool::remove_free(Block* block) {
  block->owner->free[block->pool].remove(block);
  if (block->pool == kLargePool) block->owner->large_free -= block->size;
  if (!block->is_whole_segment()) counters_.unsplit(*block);
}

void BlockPool::absorb(Block* left, Block* right) {
  left->size += right->size;
  left->after = right->after;
  if (right->after) right->after->before = left;
  retire_record(right);
}

void BlockPool::put_back(Block* block) {
  if (Block* left = block->before; left && left->state == BlockState::kFree) {
    remove_free(left);
    absorb(left, block);
    block = left;
  }
  if (Block* right = block->after; right && right->state == BlockState::kFree) {
    remove_free(right);
    absorb(block, right);
  }
  insert_free(block);
}

void BlockPool::merge_cached(StreamMemory& memory) {
  for (Block*& head : memory.cached) {
    while (Block* block = head) {
      head = block->next_free;
      counters_.unsplit(*block);
      put_back(block);
    }
  }
}

Block* BlockPool::new_record() {
  if (Block* block = retired_) {
    retired_ = block->next_free;
    return block;
  }
  return &records_.emplace_back();
}

void BlockPool::retire_record(Block* block) {
  block->state = BlockState::kRetired;
  block->next_free = retired_;
  retired_ = block;
}

std::vector<Segment*> BlockPool::take_idle_segments() {
  std::vector<Segment*> idle;
  idle.reserve(segments_.size());
  for (const auto& memory : memories_) {
    merge_cached(*memory);
    for (FreeBlocks& free : memory->free) {
      free.for_each([&](Block* block) {
        if (!block->is_whole_segment()) return;
        remove_free(block);
        if (block->pool == kLargePool) memory->large_reserved -= block->segment->size;
        block->segment->first = nullptr;
        idle.push_back(block->segment);
        retire_record(block);
      });
    }
  }
  return idle;
}

// ---- With growth_ held ----

bool BlockPool::grow(StreamMemory& memory, PoolKind kind, uint64_t segment_size) {
  {
    const std::lock_guard lock(lock_);
    const auto reserved = static_cast<uint64_t>(counters_.reserved_bytes.current());
    const uint64_t limit = limit_.load(std::memory_order_relaxed);
    if (reserved > limit || segment_size > limit - reserved) return false;
  }
  auto segment = std::make_unique<Segment>();
  fl_addr address = 0;
  const fl_status status = device_.api.allocate(device_.ordinal, segment_size, &address);
  if (status == FL_OUT_OF_MEMORY) return false;
  device_.check(status, "allocate memory");
  if (address == 0 || address % device_.info.alignment) {
    device_.api.release(device_.ordinal, address);
    device_.fail(FL_INTERNAL, "use the memory that its driver allocated, for it is not aligned as the driver says");
  }
  device_.opened.store(true, std::memory_order_relaxed);
  *segment = {address, segment_size, &memory, kind, nullptr};
  const std::lock_guard lock(lock_);
  Block* block = new_record();
  static_cast<fl_block&>(*block) = {address, segment_size, device_.index, 0};
  block->pool = kind;
  block->owner = &memory;
  block->segment = segment.get();
  block->before = block->after = nullptr;
  segment->first = block;
  segments_[address] = std::move(segment);
  if (kind == kLargePool) memory.large_reserved += segment_size;
  counters_.segments.add(kind, 1);
  counters_.reserved_bytes.add(kind, static_cast<int64_t>(segment_size));
  ++counters_.driver_allocations;
  insert_free(block);
  return true;
}

uint64_t BlockPool::give_back_idle_segments() {
  std::vector<Segment*> idle;
  {
    const std::lock_guard lock(lock_);
    idle = take_idle_segments();
    if (idle.empty()) return 0;
    if (device_.asynchronous) ++counters_.synchronisations;
  }
  // What a stream released may still be in use by work of that stream: the driver must not have it back before.
  if (device_.asynchronous) {
    const fl_status status = device_.api.device_synchronize(device_.ordinal);
    if (status != FL_OK) device_.log_failure(status, "synchronize before its cached memory is given back");
  }
  uint64_t bytes = 0;
  for (const Segment* segment : idle) {
    const fl_status status = device_.api.release(device_.ordinal, segment->address);
    if (status != FL_OK) device_.log_failure(status, "release memory");
    bytes += segment->size;
  }
  const std::lock_guard lock(lock_);
  for (const Segment* segment : idle) {
    counters_.segments.subtract(segment->pool, 1);
    counters_.reserved_bytes.subtract(segment->pool, static_cast<int64_t>(segment->size));
    ++counters_.driver_releases;
    segments_.erase(segment->address);
  }
  return bytes;
}

void BlockPool::trim() {
  device_.require_usable();
  const std::lock_guard growing(growth_);
  std::vector<void*> ready;
  deferred_.poll(&ready);
  reuse(ready);
  give_back_idle_segments();
}

void BlockPool::lock_for_fork() {
  growth_.lock();
  deferred_.lock_for_fork();
}

void BlockPool::unlock_after_fork() {
  lock_.unlock();
  deferred_.unlock_after_fork();
  growth_.unlock();
}

}  // namespace fl::runtime
