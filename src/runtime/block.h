// The pieces of the device memory that a pool holds: segments, which come from the driver, and the blocks they are cut
// into.
#ifndef FLAGOS_RUNTIME_BLOCK_H_
#define FLAGOS_RUNTIME_BLOCK_H_

#include <cstdint>
#include <vector>

#include "flagos/runtime.h"

namespace fl::runtime {

struct StreamMemory;

// Requests up to 1 MiB are served from segments of 2 MiB that hold nothing else, so that a small block that lives long
// never keeps a large segment from being given back.
enum PoolKind : uint8_t { kSmallPool = 0, kLargePool = 1 };

enum class BlockState : uint8_t {
  kFree,       // in the free lists, merged with its neighbours
  kCached,     // small and just released: kept as it is for the next request of its size
  kAllocated,  // the caller's
  kDeferred,   // released, but streams that were recorded have not passed yet
  kRetired,    // a record without memory, to be used again
};

struct Segment {
  fl_addr address;
  uint64_t size;
  StreamMemory* owner;
  PoolKind pool;
  struct Block* first;
};

struct Block : fl_block {
  BlockState state;
  PoolKind pool;
  StreamMemory* owner;
  Block* next_free;  // in whichever list its state puts it
  Block* previous_free;
  uint64_t requested;  // what the caller asked for
  Block* before;       // neighbours by address in the segment, null at its ends
  Block* after;
  Segment* segment;
  std::vector<fl_stream*> users;  // streams other than the owner that were recorded

  bool is_whole_segment() const { return !before && !after; }
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_BLOCK_H_
