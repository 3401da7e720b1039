// The caching allocator on a fake device: reuse, cutting and merging, limits, what it reports.
#include <gmock/gmock.h>

#include <cstdio>

#include "devices_fixture.h"

namespace fl::test {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class BlockPoolTest : public FakeDevices {};

TEST_F(BlockPoolTest, a_released_block_is_used_again_for_the_same_size) {
  start();
  fl_block* first = allocate(1000);
  EXPECT_EQ(first->size, 1024u);
  EXPECT_EQ(first->address % 256, 0u);
  const fl_addr address = first->address;
  fl_block_release(first);
  EXPECT_EQ(allocate(1024)->address, address);
  EXPECT_EQ(driver().count("allocate"), 1);
}

TEST_F(BlockPoolTest, blocks_of_one_segment_do_not_overlap_and_keep_the_alignment) {
  driver().alignment = 4096;
  start();
  fl_block* first = allocate(1);
  fl_block* second = allocate(5000);
  EXPECT_EQ(first->address % 4096, 0u);
  EXPECT_EQ(second->address, first->address + 4096);
  EXPECT_EQ(second->size, 8192u);
}

TEST_F(BlockPoolTest, zero_bytes_is_a_block_without_memory) {
  start();
  fl_block* block = allocate(0);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->address, 0u);
  EXPECT_EQ(block->size, 0u);
  EXPECT_EQ(block->device, 0);
  EXPECT_OK(fl_block_record_stream(block, stream_));
  fl_block_release(block);
  fl_block_release(nullptr);
  EXPECT_EQ(driver().count("allocate"), 0);
  EXPECT_EQ(stats().allocation[FL_STAT_ALL].allocated, 0);
  EXPECT_EQ(fl_device_opened(0), 0);
}

TEST_F(BlockPoolTest, small_neighbours_merge_when_a_larger_request_needs_them) {
  start();
  std::vector<fl_block*> blocks;
  for (int i = 0; i < 2048; ++i) blocks.push_back(allocate(1024));  // 2 MiB: the whole segment
  ASSERT_EQ(driver().count("allocate"), 1);
  const fl_addr base = blocks[0]->address;
  for (fl_block* block : blocks) fl_block_release(block);
  EXPECT_EQ(stats().inactive_split[FL_STAT_SMALL].current, 2048);
  fl_block* merged = allocate(kMiB);
  EXPECT_EQ(merged->address, base);
  EXPECT_EQ(driver().count("allocate"), 1);
  EXPECT_EQ(stats().inactive_split[FL_STAT_SMALL].current, 1);
}

TEST_F(BlockPoolTest, a_segment_that_is_free_as_a_whole_is_no_split) {
  start();
  fl_block* block = allocate(3 * kMiB);  // of a shared segment of 20 MiB
  EXPECT_EQ(stats().reserved_bytes[FL_STAT_LARGE].current, static_cast<int64_t>(20 * kMiB));
  EXPECT_EQ(stats().inactive_split_bytes[FL_STAT_LARGE].current, static_cast<int64_t>(17 * kMiB));
  fl_block_release(block);
  EXPECT_EQ(stats().inactive_split[FL_STAT_LARGE].current, 0);
  EXPECT_EQ(stats().inactive_split_bytes[FL_STAT_ALL].current, 0);
}

TEST_F(BlockPoolTest, a_large_block_has_a_segment_of_its_own_and_comes_back_uncut) {
  start();
  fl_block* block = allocate(64 * kMiB);
  const fl_addr address = block->address;
  EXPECT_EQ(stats().reserved_bytes[FL_STAT_LARGE].current, static_cast<int64_t>(64 * kMiB));
  fl_block_release(block);
  // Sizes that wander by less than an eighth stay on the same segment, whole.
  block = allocate(60 * kMiB);
  EXPECT_EQ(block->address, address);
  EXPECT_EQ(block->size, 64 * kMiB);
  fl_block_release(block);
  EXPECT_EQ(allocate(64 * kMiB)->address, address);
  EXPECT_EQ(driver().count("allocate"), 1);
}

TEST_F(BlockPoolTest, a_request_of_half_the_size_cuts_a_large_block) {
  start();
  fl_block_release(allocate(64 * kMiB));
  EXPECT_EQ(allocate(33 * kMiB)->size, 33 * kMiB);
  EXPECT_EQ(driver().count("allocate"), 1);
  EXPECT_EQ(stats().inactive_split_bytes[FL_STAT_LARGE].current, static_cast<int64_t>(31 * kMiB));
}

TEST_F(BlockPoolTest, a_much_smaller_request_does_not_cut_an_idle_block_while_most_memory_is_in_use) {
  start();
  fl_block* busy = allocate(128 * kMiB);
  fl_block* idle = allocate(64 * kMiB);
  const fl_addr address = idle->address;
  fl_block_release(idle);
  allocate(12 * kMiB);
  EXPECT_EQ(driver().count("allocate"), 3);
  EXPECT_EQ(allocate(64 * kMiB)->address, address);
  fl_block_release(busy);
}

TEST_F(BlockPoolTest, a_much_smaller_request_cuts_an_idle_block_when_most_memory_is_idle) {
  start();
  fl_block* block = allocate(256 * kMiB);
  const fl_addr address = block->address;
  fl_block_release(block);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(allocate(16 * kMiB)->address, address + static_cast<uint64_t>(i) * 16 * kMiB);
  EXPECT_EQ(driver().count("allocate"), 1);
}

TEST_F(BlockPoolTest, reserved_memory_stays_below_twice_the_need_when_sizes_shrink) {
  driver().memory = uint64_t{4} << 30;
  start();
  for (uint64_t size = 512 * kMiB; size >= 16 * kMiB; size /= 2) {
    std::vector<fl_block*> blocks;
    for (uint64_t held = 0; held < 512 * kMiB; held += size) blocks.push_back(allocate(size));
    for (fl_block* block : blocks) fl_block_release(block);
  }
  EXPECT_LE(stats().reserved_bytes[FL_STAT_ALL].current, static_cast<int64_t>(1024 * kMiB));
}

TEST_F(BlockPoolTest, blocks_of_different_streams_do_not_mix) {
  start();
  fl_block* block = allocate(512);
  const fl_addr address = block->address;
  fl_block_release(block);
  fl_stream* other = pool_stream();
  EXPECT_NE(allocate(512, other)->address, address);
  EXPECT_EQ(allocate(512)->address, address);
}

TEST_F(BlockPoolTest, trim_gives_idle_segments_back_after_the_device_is_idle) {
  start();
  fl_block* kept = allocate(512);
  fl_block* shared = allocate(3 * kMiB);
  fl_block_release(allocate(64 * kMiB));
  fl_block_release(shared);
  driver().holding = true;
  ASSERT_OK(fl_memory_trim(0));
  EXPECT_EQ(driver().count("device_synchronize"), 1);
  EXPECT_EQ(driver().count("release"), 2);
  EXPECT_EQ(driver().used(), 2 * kMiB);
  EXPECT_EQ(stats().reserved_bytes[FL_STAT_ALL].current, static_cast<int64_t>(2 * kMiB));
  EXPECT_EQ(stats().driver_releases, 2);
  EXPECT_EQ(stats().synchronisations, 1);
  ASSERT_OK(fl_memory_trim(0));  // nothing left: no synchronisation
  EXPECT_EQ(driver().count("device_synchronize"), 1);
  fl_block_release(kept);
  ASSERT_OK(fl_memory_trim(0));
  EXPECT_EQ(driver().used(), 0u);
}

TEST_F(BlockPoolTest, out_of_memory_gives_the_cache_back_and_tries_again) {
  driver().memory = 100 * kMiB;
  start();
  fl_block_release(allocate(60 * kMiB));
  fl_stream* other = pool_stream();
  EXPECT_EQ(allocate(80 * kMiB, other)->size, 80 * kMiB);
  EXPECT_EQ(stats().retries, 1);
  EXPECT_EQ(stats().out_of_memory, 0);
}

TEST_F(BlockPoolTest, a_shared_segment_shrinks_to_the_request_when_memory_is_short) {
  driver().memory = 5 * kMiB;
  start();
  EXPECT_EQ(allocate(4 * kMiB)->size, 4 * kMiB);
  EXPECT_EQ(stats().reserved_bytes[FL_STAT_ALL].current, static_cast<int64_t>(4 * kMiB));
}

TEST_F(BlockPoolTest, out_of_memory_says_the_numbers_and_loses_nothing) {
  driver().memory = 100 * kMiB;
  start();
  fl_block* held = allocate(60 * kMiB);
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, 50 * kMiB, &none), FL_OUT_OF_MEMORY);
  EXPECT_EQ(none, nullptr);
  const std::string text = fl_last_error();
  EXPECT_THAT(text, HasSubstr("flagos:0 (driver fake, device 0) is out of memory: 50.00 MiB were asked for"));
  EXPECT_THAT(text, HasSubstr("100.00 MiB in total, 40.00 MiB of it free"));
  EXPECT_THAT(text, HasSubstr("60.00 MiB are allocated"));
  EXPECT_THAT(text, HasSubstr("smaller batch"));
  EXPECT_EQ(stats().out_of_memory, 1);
  EXPECT_EQ(stats().retries, 1);
  fl_block_release(held);
  EXPECT_NE(allocate(90 * kMiB), nullptr);
}

TEST_F(BlockPoolTest, a_size_that_cannot_be_is_out_of_memory) {
  start();
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, UINT64_MAX, &none), FL_OUT_OF_MEMORY);
  EXPECT_EQ(fl_block_allocate(stream_, (uint64_t{1} << 62) - 1, &none), FL_OUT_OF_MEMORY);
  EXPECT_EQ(fl_block_allocate(nullptr, 16, &none), FL_INVALID_ARGUMENT);
}

TEST_F(BlockPoolTest, the_fraction_limits_what_is_reserved_and_is_named_in_the_error) {
  driver().memory = 100 * kMiB;
  start();
  ASSERT_OK(fl_memory_set_fraction(0, 0.25));
  double fraction = 0;
  ASSERT_OK(fl_memory_get_fraction(0, &fraction));
  EXPECT_EQ(fraction, 0.25);
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, 30 * kMiB, &none), FL_OUT_OF_MEMORY);
  EXPECT_THAT(fl_last_error(), HasSubstr("memory fraction of 0.25 allows 25.00 MiB"));
  EXPECT_EQ(driver().count("allocate"), 0);
  ASSERT_OK(fl_memory_set_fraction(0, 1.0));
  EXPECT_NE(allocate(30 * kMiB), nullptr);
  for (double bad : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_EQ(fl_memory_set_fraction(0, bad), FL_INVALID_ARGUMENT) << bad;
  }
}

TEST_F(BlockPoolTest, another_failure_of_the_driver_is_not_called_out_of_memory) {
  start();
  driver().fail("allocate", FL_INTERNAL, "the firmware says no");
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, 512, &none), FL_INTERNAL);
  EXPECT_THAT(fl_last_error(), HasSubstr("cannot allocate memory: the firmware says no."));
  EXPECT_NE(allocate(512), nullptr);
}

TEST_F(BlockPoolTest, an_address_in_the_middle_finds_its_block) {
  start();
  fl_block* first = allocate(1000);
  fl_block* second = allocate(3 * kMiB);
  fl_block found{};
  ASSERT_OK(fl_block_find(first->address + 1023, &found));
  EXPECT_EQ(found.address, first->address);
  EXPECT_EQ(found.size, 1024u);
  ASSERT_OK(fl_block_find(second->address + 2 * kMiB, &found));
  EXPECT_EQ(found.address, second->address);
  EXPECT_EQ(found.device, 0);
  EXPECT_EQ(fl_block_find(first->address + 1024, &found), FL_INVALID_ARGUMENT);  // free
  EXPECT_EQ(fl_block_find(second->address + 100 * kMiB, &found), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_block_find(0, &found), FL_INVALID_ARGUMENT);
  const fl_addr address = first->address;
  fl_block_release(first);
  EXPECT_EQ(fl_block_find(address, &found), FL_INVALID_ARGUMENT);
}

TEST_F(BlockPoolTest, a_second_release_is_reported_and_changes_nothing) {
  start();
  std::string logged;
  fl_set_log_sink([](void* context, int32_t, const char* text) { *static_cast<std::string*>(context) += text; },
                  &logged);
  fl_block* block = allocate(512);
  fl_block_release(block);
  fl_block_release(block);
  fl_set_log_sink(nullptr, nullptr);
  EXPECT_THAT(logged, HasSubstr("released twice"));
  EXPECT_EQ(stats().allocation[FL_STAT_ALL].freed, 1);
  EXPECT_NE(allocate(512)->address, allocate(512)->address);
}

TEST_F(BlockPoolTest, peaks_and_totals_are_reset_apart_from_what_is_held) {
  start();
  fl_block* kept = allocate(512);
  fl_block_release(allocate(3 * kMiB));
  const fl_memory_stats before = stats();
  EXPECT_EQ(before.allocated_bytes[FL_STAT_ALL].peak, static_cast<int64_t>(3 * kMiB + 512));
  ASSERT_OK(fl_memory_reset_peak(0));
  EXPECT_EQ(stats().allocated_bytes[FL_STAT_ALL].peak, 512);
  ASSERT_OK(fl_memory_reset_accumulated(0));
  const fl_memory_stats after = stats();
  EXPECT_EQ(after.allocation[FL_STAT_ALL].allocated, 0);
  EXPECT_EQ(after.allocation[FL_STAT_ALL].freed, 0);
  EXPECT_EQ(after.allocation[FL_STAT_ALL].current, 1);
  fl_block_release(kept);
  EXPECT_EQ(stats().active[FL_STAT_SMALL].freed, 1);
}

TEST_F(BlockPoolTest, the_snapshot_lists_every_block_of_every_segment) {
  start();
  fl_block* block = allocate(700);
  std::string json;
  ASSERT_OK(fl_memory_snapshot(
      0, [](void* out, const char* text, size_t size) { static_cast<std::string*>(out)->append(text, size); }, &json));
  char expected[512];
  std::snprintf(
      expected, sizeof(expected),
      "[{\"device\":0,\"address\":%llu,\"total_size\":2097152,\"allocated_size\":1024,\"active_size\":1024,"
      "\"stream\":0,\"segment_type\":\"small\",\"blocks\":[{\"address\":%llu,\"size\":1024,\"requested_size\":700,"
      "\"state\":\"active_allocated\"},{\"address\":%llu,\"size\":2096128,\"requested_size\":0,\"state\":\"inactive\"}]"
      "}]",
      static_cast<unsigned long long>(block->address), static_cast<unsigned long long>(block->address),
      static_cast<unsigned long long>(block->address + 1024));
  EXPECT_EQ(json, expected);
}

}  // namespace
}  // namespace fl::test
