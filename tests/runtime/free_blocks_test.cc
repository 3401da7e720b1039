// Free lists by size: best fit equals that of a sorted list.
#include "runtime/free_blocks.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

namespace fl::runtime {
namespace {

TEST(FreeBlocksTest, a_larger_size_never_has_a_smaller_class) {
  uint32_t last = 0;
  for (uint64_t size = 512; size < uint64_t{1} << 62; size += std::max<uint64_t>(512, size / 100 / 512 * 512)) {
    const uint32_t size_class = FreeBlocks::class_of(size);
    ASSERT_GE(size_class, last) << size;
    ASSERT_LT(size_class, FreeBlocks::kClasses) << size;
    last = size_class;
  }
  EXPECT_LT(FreeBlocks::class_of(~uint64_t{511}), FreeBlocks::kClasses);
}

TEST(FreeBlocksTest, best_fit_is_the_smallest_block_that_is_large_enough) {
  std::mt19937_64 random(1);
  std::deque<Block> blocks;
  std::multiset<uint64_t> sizes;
  std::vector<Block*> held;
  FreeBlocks free;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t size = (1 + random() % (uint64_t{1} << (1 + random() % 40))) * 512;
    if (random() % 2 || held.empty()) {
      Block& block = blocks.emplace_back();
      block.size = size;
      free.insert(&block);
      held.push_back(&block);
      sizes.insert(size);
    } else {
      const size_t which = random() % held.size();
      free.remove(held[which]);
      sizes.erase(sizes.find(held[which]->size));
      held[which] = held.back();
      held.pop_back();
    }
    const uint64_t wanted = (1 + random() % (uint64_t{1} << (1 + random() % 40))) * 512;
    const Block* found = free.best_fit(wanted);
    const auto expected = sizes.lower_bound(wanted);
    ASSERT_EQ(found == nullptr, expected == sizes.end());
    if (found) {
      ASSERT_EQ(found->size, *expected);
    }
  }
  size_t visited = 0;
  free.for_each([&](Block* block) {
    free.remove(block);
    ++visited;
  });
  EXPECT_EQ(visited, held.size());
  EXPECT_EQ(free.best_fit(512), nullptr);
}

}  // namespace
}  // namespace fl::runtime
