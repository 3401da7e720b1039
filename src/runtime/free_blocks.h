// Free blocks by size: best fit without a tree.
//
// Sizes fall into classes: one for each multiple of 512 bytes below 2 MiB, then 32 to each power of two (3 % apart). A
// class is a list; two levels of bits tell which classes hold anything. Insert and remove are a few instructions and
// never allocate. Not thread-safe: the pool's lock covers it.
#ifndef FLAGOS_RUNTIME_FREE_BLOCKS_H_
#define FLAGOS_RUNTIME_FREE_BLOCKS_H_

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "runtime/block.h"

namespace fl::runtime {

class FreeBlocks {
 public:
  static constexpr uint64_t kUnit = 512;        // every block's size is a multiple; small enough for a scalar tensor
  static constexpr uint32_t kLinear = 4096;     // classes of one size each, up to 2 MiB
  static constexpr uint32_t kSteps = 32;        // classes to each power of two above
  static constexpr uint32_t kTopBits = 64 - 9;  // bits of the largest size in units
  static constexpr uint32_t kClasses = kLinear + (kTopBits - 12) * kSteps;

  FreeBlocks() : heads_(new Block*[kClasses]()) {}

  void insert(Block* block);
  void remove(Block* block);
  // The smallest block of at least `size`, or null. It stays in the list.
  Block* best_fit(uint64_t size) const;

  // Calls visit(block) for each; `visit` may remove the block that it is given.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (uint32_t size_class = next_class(0); size_class < kClasses; size_class = next_class(size_class + 1)) {
      for (Block* block = heads_[size_class]; block;) {
        Block* next = block->next_free;
        visit(block);
        block = next;
      }
    }
  }

  static uint32_t class_of(uint64_t size) {
    const uint64_t units = size / kUnit;
    if (units < kLinear) return static_cast<uint32_t>(units);
    const auto octave = static_cast<uint32_t>(std::bit_width(units)) - 1;  // 12 and up
    const auto step = static_cast<uint32_t>(units >> (octave - 5)) - kSteps;
    return kLinear + (octave - 12) * kSteps + step;
  }

 private:
  static constexpr uint32_t kWords = (kClasses + 63) / 64;
  static constexpr uint32_t kSummaryWords = (kWords + 63) / 64;

  // The first class from `from` on that holds a block; kClasses when there is none.
  uint32_t next_class(uint32_t from) const;

  std::unique_ptr<Block*[]> heads_;
  std::array<uint64_t, kWords> filled_{};
  std::array<uint64_t, kSummaryWords> summary_{};
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_FREE_BLOCKS_H_
