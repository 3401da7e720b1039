// Blocks of memory: aligned for vectors, with room for a vector load behind the last byte, in huge pages when large.
// No cache: the runtime's allocator asks rarely and for large blocks.
#include <pthread.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "drivers/host/driver.h"
#include "drivers/host/host_ranges.h"
#include "drivers/host/machine.h"

namespace fl::drivers::host {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kAlignment = 64;           // a cache line, and the widest vector
constexpr uint64_t kPadding = 64;             // so that a kernel may load the whole vector of its last element
constexpr uint64_t kPage = 4096;              // x86-64
constexpr uint64_t kPageAligned = 64 * 1024;  // from here on a block starts on a page; the waste is below 7 %
constexpr uint64_t kHugePage = 2 * kMiB;     // x86-64; blocks of one or more are mapped, so that they can be huge pages
constexpr uint64_t kAskMachine = 64 * kMiB;  // from here on a block is refused when the machine has no room for it
constexpr uint64_t kLargest = uint64_t{1} << 46;
constexpr int32_t kPinned = -1;  // the owner of host_allocate's blocks

struct Block {
  int32_t owner;    // a device, or kPinned
  uint64_t mapped;  // bytes of the mapping; 0: from the C library
};

struct Blocks {
  std::mutex mutex;
  std::unordered_map<uint64_t, Block> by_address;
  HostRanges registered;
};

// Never destroyed: blocks may be released while the process ends.
Blocks& blocks() {
  static Blocks* const instance = new Blocks;
  return *instance;
}

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// A mapping that starts at a huge page, or nullptr.
void* map_huge_aligned(uint64_t length) {
  void* const wide = mmap(nullptr, length + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (wide == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<uint64_t>(wide), aligned = round_up(begin, kHugePage);
  if (aligned > begin) munmap(wide, aligned - begin);
  const uint64_t tail = begin + length + kHugePage - (aligned + length);
  if (tail > 0) munmap(reinterpret_cast<void*>(aligned + length), tail);
  // Fails where the kernel was built without huge pages: small ones serve.
  madvise(reinterpret_cast<void*>(aligned), length, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

void give_back(uint64_t address, const Block& block) {
  if (block.mapped > 0)
    munmap(reinterpret_cast<void*>(address), block.mapped);
  else
    std::free(reinterpret_cast<void*>(address));
}

uint64_t take(int32_t owner, uint64_t size) {
  if (size == 0) fail(FL_INVALID_ARGUMENT, "The host driver allocates no block of 0 bytes; ask for at least 1.");
  if (size >= kAskMachine) {
    // The kernel promises more than there is and ends the process when it is touched; an error can be handled.
    const Memory memory = usable_memory();
    if (size > memory.available)
      fail(FL_OUT_OF_MEMORY,
           "The host has no room for %.1f MiB: %.1f MiB of %.1f MiB are free; use smaller batches or raise the "
           "container's memory limit.",
           static_cast<double>(size) / kMiB, static_cast<double>(memory.available) / kMiB,
           static_cast<double>(memory.total) / kMiB);
  }
  Block block{owner, 0};
  void* pointer = nullptr;
  if (size <= kLargest) {
    if (size >= kHugePage) {
      block.mapped = round_up(size + kPadding, kPage);
      pointer = map_huge_aligned(block.mapped);
    } else {
      const uint64_t alignment = size >= kPageAligned ? kPage : kAlignment;
      pointer = std::aligned_alloc(alignment, round_up(size + kPadding, alignment));
    }
  }
  if (!pointer)
    fail(FL_OUT_OF_MEMORY, "The host gave no block of %llu bytes (%s); free memory, or raise the limits of ulimit -v.",
         static_cast<unsigned long long>(size), std::strerror(errno));
  const auto address = reinterpret_cast<uint64_t>(pointer);
  // Readable, and defined: what a kernel loads beyond the end must not look like an uninitialised read.
  std::memset(reinterpret_cast<char*>(address) + size, 0, kPadding);
  try {
    std::lock_guard lock(blocks().mutex);
    blocks().by_address.emplace(address, block);
  } catch (...) {
    give_back(address, block);
    throw;
  }
  return address;
}

void put_back(int32_t owner, uint64_t address, const char* what) {
  Block block;
  {
    std::lock_guard lock(blocks().mutex);
    const auto found = blocks().by_address.find(address);
    if (found == blocks().by_address.end() || found->second.owner != owner)
      fail(FL_INVALID_ARGUMENT, "%s: 0x%llx is not the start of such a block, or was released before.", what,
           static_cast<unsigned long long>(address));
    block = found->second;
    blocks().by_address.erase(found);
  }
  give_back(address, block);
}

}  // namespace

fl_addr allocate(int32_t device, uint64_t size) {
  check_device(device);
  return take(device, size);
}

void release(int32_t device, fl_addr address) {
  check_device(device);
  put_back(device, address, "release");
}

void* host_allocate(uint64_t size) { return reinterpret_cast<void*>(take(kPinned, size)); }

void host_release(void* pointer) { put_back(kPinned, reinterpret_cast<uint64_t>(pointer), "host_release"); }

void host_register(void* pointer, uint64_t size) {
  const auto begin = reinterpret_cast<uint64_t>(pointer);
  if (!pointer || size == 0 || begin + size < begin)
    fail(FL_INVALID_ARGUMENT, "host_register: %llu bytes at %p are no range of memory.",
         static_cast<unsigned long long>(size), pointer);
  if (!blocks().registered.add(begin, size))
    fail(FL_INVALID_ARGUMENT, "host_register: the range at %p overlaps one that is registered already.", pointer);
}

void host_unregister(void* pointer) {
  if (!blocks().registered.remove(reinterpret_cast<uint64_t>(pointer)))
    fail(FL_INVALID_ARGUMENT, "host_unregister: no range that begins at %p is registered.", pointer);
}

void memory_survives_fork() {
  blocks();
  const auto lock = [] { blocks().mutex.lock(), blocks().registered.lock_for_fork(); };
  const auto unlock = [] { blocks().registered.unlock_after_fork(), blocks().mutex.unlock(); };
  pthread_atfork(lock, unlock, unlock);
}

}  // namespace fl::drivers::host
