#include "runtime/free_blocks.h"

namespace fl::runtime {

void FreeBlocks::insert(Block* block) {
  const uint32_t size_class = class_of(block->size);
  Block*& head = heads_[size_class];
  block->previous_free = nullptr;
  block->next_free = head;
  if (head) head->previous_free = block;
  head = block;
  filled_[size_class / 64] |= uint64_t{1} << (size_class % 64);
  summary_[size_class / 4096] |= uint64_t{1} << (size_class / 64 % 64);
}

void FreeBlocks::remove(Block* block) {
  const uint32_t size_class = class_of(block->size);
  if (block->next_free) block->next_free->previous_free = block->previous_free;
  if (block->previous_free) {
    block->previous_free->next_free = block->next_free;
  } else {
    heads_[size_class] = block->next_free;
  }
  if (heads_[size_class]) return;
  filled_[size_class / 64] &= ~(uint64_t{1} << (size_class % 64));
  if (!filled_[size_class / 64]) summary_[size_class / 4096] &= ~(uint64_t{1} << (size_class / 64 % 64));
}

uint32_t FreeBlocks::next_class(uint32_t from) const {
  if (from >= kClasses) return kClasses;
  uint32_t word = from / 64;
  const uint64_t rest = filled_[word] >> (from % 64);
  if (rest) return from + static_cast<uint32_t>(std::countr_zero(rest));
  ++word;
  for (uint32_t group = word / 64; group < kSummaryWords; ++group) {
    const uint32_t skip = group == word / 64 ? word % 64 : 0;
    const uint64_t words = summary_[group] >> skip << skip;
    if (!words) continue;
    word = group * 64 + static_cast<uint32_t>(std::countr_zero(words));
    return word * 64 + static_cast<uint32_t>(std::countr_zero(filled_[word]));
  }
  return kClasses;
}

Block* FreeBlocks::best_fit(uint64_t size) const {
  // The class of `size` itself may hold smaller blocks too, the ones above only larger ones.
  for (uint32_t size_class = next_class(class_of(size)); size_class < kClasses;
       size_class = next_class(size_class + 1)) {
    Block* best = nullptr;
    for (Block* block = heads_[size_class]; block; block = block->next_free) {
      if (block->size < size || (best && block->size >= best->size)) continue;
      best = block;
      if (size_class < kLinear || block->size == size) break;
    }
    if (best) return best;
  }
  return nullptr;
}

}  // namespace fl::runtime
