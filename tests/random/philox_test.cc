#include "random/philox.h"

#include <gtest/gtest.h>

#include <vector>

#include "random/kernels.h"

namespace fl::random {
namespace {

std::vector<uint32_t> words_of(const PhiloxBlock& block) { return {block.word, block.word + 4}; }

// The vectors for philox4x32-10 that the authors publish with Random123 (kat_vectors).
TEST(Philox, gives_the_published_vectors) {
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(words_of(philox({{0, 0, 0, 0}}, 0, 0)),
            (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(words_of(philox({{kOnes, kOnes, kOnes, kOnes}}, kOnes, kOnes)),
            (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words_of(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0)),
            (std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The layout of Note [The stream of an element] in random.h, on every code path: at the ends of seed and offset, where
// the block number carries into its upper word, and for pieces that begin and end inside a block.
TEST(Philox, vector_code_gives_the_words_of_the_definition) {
  const uint64_t seeds[] = {0, 1, 0xdeadbeefcafef00d, ~uint64_t{0}};
  const uint64_t offsets[] = {0, 4, (uint64_t{1} << 34) - 256, ~uint64_t{0} - 3};
  for (const Kernels* const* path = runnable_kernels(); *path != nullptr; ++path) {
    for (uint64_t seed : seeds) {
      for (uint64_t offset : offsets) {
        for (int64_t first : {int64_t{0}, int64_t{7}, int64_t{1} << 40}) {
          for (uint32_t draw : {0u, 3u}) {
            std::vector<uint32_t> words(1201);
            (*path)->words({seed, offset, first, 1201}, draw, words.data());
            for (int64_t j = 0; j < 1201; ++j) {
              const int64_t element = first + j;
              const PhiloxBlock block = philox_draw(seed, offset / 4 + static_cast<uint64_t>(element) / 4, draw);
              ASSERT_EQ(words[static_cast<size_t>(j)], block.word[element % 4])
                  << (*path)->name << " seed " << seed << " offset " << offset << " element " << element;
            }
          }
        }
      }
    }
  }
}

// 64 bits an element: elements 0 and 1 of a block from its draw 0, elements 2 and 3 from draw 1.
TEST(Philox, pairs_come_from_the_first_two_draws_of_the_block) {
  for (const Kernels* const* path = runnable_kernels(); *path != nullptr; ++path) {
    std::vector<uint64_t> pairs(1001);
    (*path)->integers({5, 400, 3, 1001}, FL_UINT64, pairs.data(), 0, 0);
    for (int64_t j = 0; j < 1001; ++j) {
      const int64_t element = 3 + j;
      const PhiloxBlock block =
          philox_draw(5, 100 + static_cast<uint64_t>(element) / 4, static_cast<uint32_t>(element % 4 / 2));
      ASSERT_EQ(pairs[static_cast<size_t>(j)], block.pair(static_cast<int>(element % 2))) << (*path)->name;
    }
  }
}

TEST(Philox, seed_for_another_engine_is_the_first_pair_at_the_offset) {
  EXPECT_EQ(fl_random_derive_seed(9, 44), philox_draw(9, 11, 0).pair(0));
  EXPECT_NE(fl_random_derive_seed(9, 44), fl_random_derive_seed(9, 48));
  EXPECT_NE(fl_random_derive_seed(9, 44), fl_random_derive_seed(10, 44));
}

}  // namespace
}  // namespace fl::random
