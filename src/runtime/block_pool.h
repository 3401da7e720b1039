// The caching allocator of a device: blocks are cut from segments of the driver's, kept when they are released and used
// again in the order of their stream.
//
// Note [How a request is served]
//  1. A small size (up to 1 MiB, in steps of 512 bytes) that its stream released before: popped from a list of exactly
//     that size. This is the hot path: one spin lock, no call into the driver.
//  2. Best fit among the stream's free blocks, cut when the rest is worth keeping.
//  3. A new segment: 2 MiB for small blocks; 20 MiB shared ones for requests below 10 MiB; one of its own for a larger
//     request, rounded to 2 MiB.
//  4. When the driver is out of memory or the fraction is used up: deferred blocks are waited for, the cache of every
//     stream is given back, and the driver is asked once more.
// Released small blocks stay uncut and unmerged until step 2 finds nothing, then all of them merge with their
// neighbours. A release costs one merge at most, so this is paid for by the releases before.
//
// Note [When a large block is cut]
// Shared segments are cut freely. The block of a segment of its own is cut for a request of at least half its size. For
// a smaller one only while more of the stream's large memory lies idle than is in use: without the first rule a step
// that frees a 64 MiB activation and asks for 2 MiB would ask the driver for another 64 MiB every time; without the
// second a program that goes from few big to many middling tensors would hold twice its memory for ever. So the
// stream's large memory never grows past an idle block that would do unless idle memory is the smaller part. A rest of
// up to an eighth stays with the block: sizes that wander a little from step to step go on using the same segment.
#ifndef FLAGOS_RUNTIME_BLOCK_POOL_H_
#define FLAGOS_RUNTIME_BLOCK_POOL_H_

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/block.h"
#include "runtime/deferred.h"
#include "runtime/device.h"
#include "runtime/free_blocks.h"
#include "runtime/pool_counters.h"
#include "runtime/spin_lock.h"
#include "runtime/stream.h"

namespace fl::runtime {

inline constexpr uint64_t kSmallLimit = uint64_t{1} << 20;
inline constexpr uint64_t kCachedClasses = kSmallLimit / FreeBlocks::kUnit + 1;

// What one stream has released. Covered by its pool's lock.
struct StreamMemory {
  explicit StreamMemory(BlockPool& pool_, fl_stream* stream_) : pool(&pool_), stream(stream_) {}
  BlockPool* const pool;
  fl_stream* const stream;
  std::array<Block*, kCachedClasses> cached{};  // small blocks of exactly index * 512 bytes
  FreeBlocks free[2];                           // by PoolKind
  uint64_t large_reserved = 0;                  // bytes of this stream's large segments,
  uint64_t large_free = 0;                      // and how many of them are free
};

class BlockPool {
 public:
  explicit BlockPool(Device& device);
  ~BlockPool();

  // Null when the hot path cannot serve; then `allocate` does, and throws what cannot be had.
  Block* try_allocate(StreamMemory* memory, uint64_t size) noexcept;
  Block* allocate(fl_stream* stream, uint64_t size);
  void release(Block* block) noexcept;
  void record_stream(Block* block, fl_stream* stream);
  // False when no allocated block holds the address.
  bool find(fl_addr address, fl_block* found);

  fl_memory_stats stats();
  void reset_peak();
  void reset_accumulated();
  void trim();
  void set_fraction(double fraction);
  double fraction() const { return fraction_.load(std::memory_order_relaxed); }
  void snapshot(fl_text_sink sink, void* context);

  void lock_for_fork();
  void spin_for_fork() { lock_.lock(); }
  void unlock_after_fork();

 private:
  struct Fit;

  uint64_t round_up(uint64_t size) const;
  StreamMemory& memory_of(fl_stream* stream);

  // With lock_ held.
  Block* take(StreamMemory& memory, PoolKind kind, uint64_t size, bool any_block);
  Block* hand_out(Block* block, uint64_t requested);
  Block* cut(Block* block, uint64_t size);
  void put_back(Block* block);  // merges with free neighbours, into the free lists
  void merge_cached(StreamMemory& memory);
  void absorb(Block* left, Block* right);
  void insert_free(Block* block);
  void remove_free(Block* block);
  Block* new_record();
  void retire_record(Block* block);
  std::vector<Segment*> take_idle_segments();

  // With growth_ held, lock_ not.
  bool grow(StreamMemory& memory, PoolKind kind, uint64_t segment_size);
  uint64_t give_back_idle_segments();
  [[noreturn]] void fail_out_of_memory(uint64_t size, uint64_t rounded);

  void reuse(const std::vector<void*>& ready);

  Device& device_;
  const uint64_t granularity_;  // of block sizes
  Block empty_{};               // every request of 0 bytes

  std::mutex growth_;  // one thread at a time asks the driver; see Note [Order of locks]
  Deferred deferred_;
  std::atomic<uint64_t> limit_;  // bytes that may be reserved
  std::atomic<double> fraction_{1.0};

  SpinLock lock_;  // all below
  PoolCounters counters_;
  std::map<fl_addr, std::unique_ptr<Segment>> segments_;
  std::vector<std::unique_ptr<StreamMemory>> memories_;
  std::deque<Block> records_;  // every record that was ever made; addresses stay
  Block* retired_ = nullptr;
};

inline Block* BlockPool::try_allocate(StreamMemory* memory, uint64_t size) noexcept {
  if (size - 1 >= kSmallLimit || deferred_.any() || !device_.usable()) return nullptr;
  const uint64_t rounded = (size + granularity_ - 1) & ~(granularity_ - 1);
  Block*& head = memory->cached[rounded / FreeBlocks::kUnit];
  const std::lock_guard lock(lock_);
  Block* block = head;
  if (!block) return nullptr;
  head = block->next_free;
  counters_.unsplit(*block);
  return hand_out(block, size);
}

inline Block* BlockPool::hand_out(Block* block, uint64_t requested) {
  block->state = BlockState::kAllocated;
  block->requested = requested;
  counters_.allocated(*block);
  return block;
}

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_BLOCK_POOL_H_
