// Device memory: first fit in the device's window. Pinned host memory: blocks of the C library, and the user's own
// registered ranges.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "drivers/sim/driver.h"

namespace fl::drivers::sim {
namespace {

constexpr uint64_t kAlignment = 512;  // what vendors' allocators give, so that no code learns to count on more
constexpr uint64_t kPadding = 64;     // readable behind the last byte
constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestPinned = uint64_t{1} << 39;  // above, no machine has it and sanitizers end the process

// New memory is filled with this up to the largest segment that the runtime asks for at a time, so that code that
// takes fresh memory for zeros fails; beyond, filling would cost the pages of memory that nobody touches.
constexpr unsigned char kGarbage = 0xFB;
constexpr uint64_t kGarbageLimit = uint64_t{32} << 20;

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

unsigned long long printable(uint64_t value) { return value; }

[[noreturn]] void no_room(const Device& device, uint64_t size, const char* why) {
  uint64_t largest = 0;
  for (const auto& [begin, room] : device.room) largest = std::max(largest, room);
  const uint64_t total = engine().settings.memory;
  fail(FL_OUT_OF_MEMORY,
       "Device %d of the simulated accelerator has no room for %llu bytes%s: %llu of %llu bytes are free, %llu in one "
       "piece; "
       "release memory or raise FLAGOS_SIM_MEMORY.",
       device.index, printable(size), why, printable(total - device.used), printable(total), printable(largest));
}

void refuse_in_flight(const Block& block, const char* what) {
  if (block.in_flight > 0)
    fail(FL_INVALID_ARGUMENT, "%s: %u commands in flight use the block at 0x%llx; synchronise their streams first.",
         what, block.in_flight, printable(block.begin));
}

void insert_room(Device& device, uint64_t begin, uint64_t size) {
  auto next = device.room.lower_bound(begin);
  if (next != device.room.end() && begin + size == next->first) {
    size += next->second;
    next = device.room.erase(next);
  }
  if (next != device.room.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      before->second += size;
      return;
    }
  }
  device.room.emplace_hint(next, begin, size);
}

std::shared_ptr<Block> pinned_block(void* pointer, bool registered, const char* what) {
  std::shared_ptr<Block> block = engine().pinned.at(reinterpret_cast<uint64_t>(pointer));
  if (!block || block->registered != registered)
    fail(FL_INVALID_ARGUMENT, "%s: %p is not the start of such a range, or was given back before.", what, pointer);
  refuse_in_flight(*block, what);
  return block;
}

}  // namespace

fl_addr allocate(int32_t index, uint64_t size) {
  Call call(index);
  Device& device = call.device();
  if (size == 0) fail(FL_INVALID_ARGUMENT, "allocate: 0 bytes; ask for at least 1.");
  if (device.failing_allocations > 0) {
    --device.failing_allocations;
    no_room(device, size, " (as the test asked)");
  }
  if (size > engine().settings.memory) no_room(device, size, "");
  const uint64_t taken = round_up(size + kPadding, kAlignment);
  auto range = device.room.begin();
  while (range != device.room.end() && range->second < taken) ++range;
  if (range == device.room.end()) no_room(device, size, "");

  const uint64_t begin = range->first;
  device.blocks.add(std::make_shared<Block>(Block{begin, size, taken, false}));
  if (range->second > taken) device.room.emplace(begin + taken, range->second - taken);
  device.room.erase(begin);
  device.used += taken;
  std::memset(seen_by_worker<char>(begin), kGarbage, std::min(taken, kGarbageLimit));
  return begin;
}

void release(int32_t index, fl_addr address) {
  Call call(index, Call::Purpose::kCleaning);
  Device& device = call.device();
  const std::shared_ptr<Block> block = device.blocks.at(address);
  if (!block)
    fail(FL_INVALID_ARGUMENT, "release: 0x%llx is not the start of a block of device %d, or was released before.",
         printable(address), index);
  refuse_in_flight(*block, "release");
  insert_room(device, block->begin, block->taken);
  device.blocks.remove(address);
  device.used -= block->taken;
  // Whole pages go back to the machine.
  const uint64_t first = round_up(block->begin, kPage), last = (block->begin + block->taken) / kPage * kPage;
  if (first < last) madvise(seen_by_worker<void>(first), last - first, MADV_DONTNEED);
}

void memory_info(int32_t index, uint64_t* free_bytes, uint64_t* total_bytes) {
  Call call(index);
  *total_bytes = engine().settings.memory;
  *free_bytes = *total_bytes - call.device().used;
}

std::shared_ptr<Block> block_of(const Device& device, fl_addr address, uint64_t size, const char* what) {
  std::shared_ptr<Block> block = device.blocks.find(address, size);
  if (!block)
    fail(FL_INVALID_ARGUMENT,
         "%s: %llu bytes at 0x%llx are not inside one block of device %d of the simulated accelerator.", what,
         printable(size), printable(address), device.index);
  return block;
}

void* host_allocate(uint64_t size) {
  refuse_forked_child();
  if (size == 0) fail(FL_INVALID_ARGUMENT, "host_allocate: 0 bytes; ask for at least 1.");
  const uint64_t taken = size <= kLargestPinned ? round_up(size + kPadding, kPadding) : 0;
  void* const pointer = taken > 0 ? std::aligned_alloc(kPadding, taken) : nullptr;
  if (!pointer) fail(FL_OUT_OF_MEMORY, "host_allocate: the host gave no %llu bytes; free memory.", printable(size));
  std::unique_ptr<void, void (*)(void*)> owner(pointer, std::free);
  auto block = std::make_shared<Block>(Block{reinterpret_cast<uint64_t>(pointer), size, taken, false});
  Lock lock(engine().mutex);
  engine().pinned.add(std::move(block));
  return owner.release();
}

void host_release(void* pointer) {
  refuse_forked_child();
  {
    Lock lock(engine().mutex);
    pinned_block(pointer, false, "host_release");
    engine().pinned.remove(reinterpret_cast<uint64_t>(pointer));
  }
  std::free(pointer);
}

void host_register(void* pointer, uint64_t size) {
  refuse_forked_child();
  const auto begin = reinterpret_cast<uint64_t>(pointer);
  if (!pointer || size == 0 || begin + size < begin)
    fail(FL_INVALID_ARGUMENT, "host_register: %llu bytes at %p are no range of memory.", printable(size), pointer);
  Lock lock(engine().mutex);
  if (engine().pinned.overlaps(begin, size))
    fail(FL_INVALID_ARGUMENT, "host_register: the range at %p overlaps one that is pinned already.", pointer);
  engine().pinned.add(std::make_shared<Block>(Block{begin, size, size, true}));
}

void host_unregister(void* pointer) {
  refuse_forked_child();
  Lock lock(engine().mutex);
  pinned_block(pointer, true, "host_unregister");
  engine().pinned.remove(reinterpret_cast<uint64_t>(pointer));
}

}  // namespace fl::drivers::sim
