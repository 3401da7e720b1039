#include "runtime/pool_counters.h"

#include <algorithm>

namespace fl::runtime {

void Counter::report(fl_stat (&out)[3]) const {
  out[FL_STAT_ALL] = {current(), peak_, 0, 0};
  for (int pool = 0; pool < 2; ++pool) {
    const Side& side = sides_[pool];
    fl_stat& stat = out[pool == kSmallPool ? FL_STAT_SMALL : FL_STAT_LARGE];
    stat = {side.current, side.peak, side.total - side.total_base, side.total - side.current - side.freed_base};
    out[FL_STAT_ALL].allocated += stat.allocated;
    out[FL_STAT_ALL].freed += stat.freed;
  }
}

void Counter::reset_peak() {
  for (Side& side : sides_) side.peak = side.current;
  peak_ = current();
}

void Counter::reset_accumulated() {
  for (Side& side : sides_) {
    side.total_base = side.total;
    side.freed_base = side.total - side.current;
  }
}

void PoolCounters::deferred(const Block& block) {
  deferred_[block.pool].blocks += 1;
  deferred_[block.pool].bytes += static_cast<int64_t>(block.size);
}

void PoolCounters::undeferred(const Block& block) {
  deferred_[block.pool].blocks -= 1;
  deferred_[block.pool].bytes -= static_cast<int64_t>(block.size);
}

void PoolCounters::raise(ActivePeak* peak, int64_t small, int64_t large) {
  peak->small = std::max(peak->small, small);
  peak->large = std::max(peak->large, large);
  peak->all = std::max(peak->all, small + large);
}

void PoolCounters::raise_active_peak() {
  raise(&active_peak_, allocations.current(kSmallPool) + deferred_[kSmallPool].blocks,
        allocations.current(kLargePool) + deferred_[kLargePool].blocks);
  raise(&active_bytes_peak_, allocated_bytes.current(kSmallPool) + deferred_[kSmallPool].bytes,
        allocated_bytes.current(kLargePool) + deferred_[kLargePool].bytes);
}

// An active figure from the allocated one: deferred blocks are still there and not yet freed. The peak of the allocated
// figure is a lower bound, reached whenever nothing was deferred.
void PoolCounters::shift(fl_stat* stat, int64_t waiting, int64_t base, int64_t highest) {
  stat->current += waiting;
  stat->freed += base - waiting;
  stat->peak = std::max(stat->peak, highest);
}

void PoolCounters::report(fl_memory_stats* stats) const {
  allocations.report(stats->allocation);
  allocated_bytes.report(stats->allocated_bytes);
  requested_bytes.report(stats->requested_bytes);
  segments.report(stats->segment);
  reserved_bytes.report(stats->reserved_bytes);
  splits.report(stats->inactive_split);
  split_bytes.report(stats->inactive_split_bytes);
  allocations.report(stats->active);
  allocated_bytes.report(stats->active_bytes);
  const Deferred& small = deferred_[kSmallPool];
  const Deferred& large = deferred_[kLargePool];
  shift(&stats->active[FL_STAT_SMALL], small.blocks, small.blocks_base, active_peak_.small);
  shift(&stats->active[FL_STAT_LARGE], large.blocks, large.blocks_base, active_peak_.large);
  shift(&stats->active[FL_STAT_ALL], small.blocks + large.blocks, small.blocks_base + large.blocks_base,
        active_peak_.all);
  shift(&stats->active_bytes[FL_STAT_SMALL], small.bytes, small.bytes_base, active_bytes_peak_.small);
  shift(&stats->active_bytes[FL_STAT_LARGE], large.bytes, large.bytes_base, active_bytes_peak_.large);
  shift(&stats->active_bytes[FL_STAT_ALL], small.bytes + large.bytes, small.bytes_base + large.bytes_base,
        active_bytes_peak_.all);
  stats->retries = retries;
  stats->out_of_memory = out_of_memory;
  stats->synchronisations = synchronisations;
  stats->driver_allocations = driver_allocations;
  stats->driver_releases = driver_releases;
  stats->max_split_size = -1;  // unlimited, in torch's words: the pool's rule of splitting is not a size
}

void PoolCounters::reset_peak() {
  for (Counter* counter :
       {&allocations, &allocated_bytes, &requested_bytes, &splits, &split_bytes, &segments, &reserved_bytes}) {
    counter->reset_peak();
  }
  active_peak_ = {};
  active_bytes_peak_ = {};
  raise_active_peak();
}

void PoolCounters::reset_accumulated() {
  for (Counter* counter :
       {&allocations, &allocated_bytes, &requested_bytes, &splits, &split_bytes, &segments, &reserved_bytes}) {
    counter->reset_accumulated();
  }
  for (Deferred& deferred : deferred_) {
    deferred.blocks_base = deferred.blocks;
    deferred.bytes_base = deferred.bytes;
  }
  retries = out_of_memory = 0;
}

}  // namespace fl::runtime
