// What a pool tells about itself: figures, the snapshot, the text of an out-of-memory error.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "runtime/block_pool.h"

namespace fl::runtime {
namespace {

std::string readable(uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 6; ++unit) value /= 1024;
  char text[48];
  std::snprintf(text, sizeof(text), unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
  return text;
}

const char* state_name(BlockState state) {
  switch (state) {
    case BlockState::kAllocated:
      return "active_allocated";
    case BlockState::kDeferred:
      return "active_pending_free";
    default:
      return "inactive";
  }
}

// A segment as it was at one moment, copied under the lock so that no caller's sink runs under it.
struct SegmentRecord {
  Segment segment;
  int64_t stream;
  std::vector<Block> blocks;
};

}  // namespace

fl_memory_stats BlockPool::stats() {
  fl_memory_stats stats{};
  stats.struct_size = sizeof(stats);
  const std::lock_guard lock(lock_);
  counters_.report(&stats);
  return stats;
}

void BlockPool::reset_peak() {
  const std::lock_guard lock(lock_);
  counters_.reset_peak();
}

void BlockPool::reset_accumulated() {
  const std::lock_guard lock(lock_);
  counters_.reset_accumulated();
}

void BlockPool::set_fraction(double fraction) {
  if (!(fraction > 0.0 && fraction <= 1.0)) {
    fl::fail(FL_INVALID_ARGUMENT, "The memory fraction of flagos:%d cannot be %g. Use a number above 0 and up to 1.",
             device_.index, fraction);
  }
  const uint64_t total = device_.info.total_memory;
  const auto limit = static_cast<uint64_t>(fraction * static_cast<double>(total));
  fraction_.store(fraction, std::memory_order_relaxed);
  limit_.store(!total ? UINT64_MAX : fraction == 1.0 ? total : limit, std::memory_order_relaxed);
}

void BlockPool::snapshot(fl_text_sink sink, void* context) {
  std::vector<SegmentRecord> records;
  {
    const std::lock_guard growing(growth_);  // segments neither come nor go
    const std::lock_guard lock(lock_);
    for (const auto& [address, segment] : segments_) {
      SegmentRecord& record = records.emplace_back(SegmentRecord{*segment, segment->owner->stream->id, {}});
      for (const Block* block = segment->first; block; block = block->after) record.blocks.push_back(*block);
    }
  }
  JsonWriter json(sink, context);
  json.begin_array();
  for (const SegmentRecord& record : records) {
    uint64_t allocated = 0, active = 0;
    for (const Block& block : record.blocks) {
      if (block.state == BlockState::kAllocated) allocated += block.size;
      if (block.state == BlockState::kAllocated || block.state == BlockState::kDeferred) active += block.size;
    }
    json.begin_object();
    json.member("device", device_.index).member("address", record.segment.address);
    json.member("total_size", record.segment.size).member("allocated_size", allocated).member("active_size", active);
    json.member("stream", record.stream).member("segment_type", record.segment.pool == kSmallPool ? "small" : "large");
    json.key("blocks").begin_array();
    for (const Block& block : record.blocks) {
      const bool active_block = block.state == BlockState::kAllocated || block.state == BlockState::kDeferred;
      json.begin_object();
      json.member("address", block.address).member("size", block.size);
      json.member("requested_size", active_block ? block.requested : 0).member("state", state_name(block.state));
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void BlockPool::fail_out_of_memory(uint64_t size, uint64_t rounded) {
  uint64_t free_bytes = 0, total_bytes = device_.info.total_memory;
  const fl_status known = device_.api.memory_info(device_.ordinal, &free_bytes, &total_bytes);
  fl_memory_stats now{};
  {
    const std::lock_guard lock(lock_);
    ++counters_.out_of_memory;
    counters_.report(&now);
  }
  const auto allocated = static_cast<uint64_t>(now.allocated_bytes[FL_STAT_ALL].current);
  const auto reserved = static_cast<uint64_t>(now.reserved_bytes[FL_STAT_ALL].current);
  const uint64_t limit = limit_.load(std::memory_order_relaxed);
  const bool by_limit = reserved > limit || rounded > limit - reserved;
  std::string text = device_.name() + " is out of memory: " + readable(size) + " were asked for. ";
  text += "The device has " + readable(total_bytes) + " in total";
  text += known == FL_OK ? ", " + readable(free_bytes) + " of it free; " : "; ";
  text += readable(allocated) + " are allocated by this process, " +
          readable(reserved - std::min(reserved, allocated)) +
          " more are reserved by its cache in pieces that do not fit. ";
  if (by_limit && fraction() < 1.0) {
    char part[96];
    std::snprintf(part, sizeof(part), "The memory fraction of %.4g allows %s: raise it, ", fraction(),
                  readable(limit).c_str());
    text += part;
    text += "or free tensors, use a smaller batch, or recompute activations.";
  } else {
    text += "Free tensors, use a smaller batch, or recompute activations; the memory snapshot shows what is held.";
  }
  throw Error(FL_OUT_OF_MEMORY, text);
}

}  // namespace fl::runtime
