// The figures of fl_memory_stats, kept exactly under the pool's lock at the least cost to the hot path.
//
// Current values and running totals are kept for the small and the large pool; those of both together are sums. A peak
// is not a sum, so it is kept for both together as well. What was freed is what was ever counted in less what is there
// now. A block is active while it is allocated or deferred: without deferred blocks the two figures are one, and their
// peak needs to be followed only while a block is deferred.
#ifndef FLAGOS_RUNTIME_POOL_COUNTERS_H_
#define FLAGOS_RUNTIME_POOL_COUNTERS_H_

#include <cstdint>

#include "flagos/runtime.h"
#include "runtime/block.h"

namespace fl::runtime {

class Counter {
 public:
  void add(PoolKind pool, int64_t amount) {
    Side& side = sides_[pool];
    side.current += amount;
    side.total += amount;
    raise_peak(pool);
  }
  void subtract(PoolKind pool, int64_t amount) { sides_[pool].current -= amount; }

  int64_t current() const { return sides_[0].current + sides_[1].current; }
  int64_t current(PoolKind pool) const { return sides_[pool].current; }

  void report(fl_stat (&out)[3]) const;
  void reset_peak();
  void reset_accumulated();

 private:
  friend class PoolCounters;
  struct Side {
    int64_t current = 0, peak = 0, total = 0;
    int64_t total_base = 0, freed_base = 0;  // what reset_accumulated takes off
  };

  void raise_peak(PoolKind pool) {
    Side& side = sides_[pool];
    if (side.current > side.peak) [[unlikely]]
      side.peak = side.current;
    if (current() > peak_) [[unlikely]]
      peak_ = current();
  }

  Side sides_[2];
  int64_t peak_ = 0;  // of both together
};

class PoolCounters {
 public:
  Counter allocations, allocated_bytes, requested_bytes;
  Counter splits, split_bytes;  // free pieces of a segment that is not free as a whole
  Counter segments, reserved_bytes;
  int64_t retries = 0, out_of_memory = 0, synchronisations = 0, driver_allocations = 0, driver_releases = 0;

  void allocated(const Block& block) {
    const PoolKind pool = block.pool;
    allocations.add(pool, 1);
    allocated_bytes.add(pool, static_cast<int64_t>(block.size));
    requested_bytes.add(pool, static_cast<int64_t>(block.requested));
    if (deferred_[0].blocks | deferred_[1].blocks) [[unlikely]]
      raise_active_peak();
  }
  void released(const Block& block) {
    const PoolKind pool = block.pool;
    allocations.subtract(pool, 1);
    allocated_bytes.subtract(pool, static_cast<int64_t>(block.size));
    requested_bytes.subtract(pool, static_cast<int64_t>(block.requested));
  }
  // A released block goes on being active until `undeferred`.
  void deferred(const Block& block);
  void undeferred(const Block& block);
  void split(const Block& block) {
    splits.add(block.pool, 1);
    split_bytes.add(block.pool, static_cast<int64_t>(block.size));
  }
  void unsplit(const Block& block) {
    splits.subtract(block.pool, 1);
    split_bytes.subtract(block.pool, static_cast<int64_t>(block.size));
  }

  void report(fl_memory_stats* stats) const;
  void reset_peak();
  void reset_accumulated();

 private:
  struct Deferred {
    int64_t blocks = 0, bytes = 0;
    int64_t blocks_base = 0, bytes_base = 0;  // at the last reset_accumulated: not freed before it, so freed after it
  };
  struct ActivePeak {
    int64_t small = 0, large = 0, all = 0;
  };

  void raise_active_peak();
  static void raise(ActivePeak* peak, int64_t small, int64_t large);
  static void shift(fl_stat* stat, int64_t waiting, int64_t base, int64_t highest);

  Deferred deferred_[2];
  ActivePeak active_peak_, active_bytes_peak_;
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_POOL_COUNTERS_H_
