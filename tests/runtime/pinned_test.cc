// Pinned host memory: cached, found by any address, reused only behind the streams that use it.
#include <gmock/gmock.h>

#include "devices_fixture.h"

namespace fl::test {
namespace {

class PinnedTest : public FakeDevices {
 protected:
  static void* pinned(uint64_t size) {
    void* pointer = nullptr;
    EXPECT_OK(fl_pinned_allocate(size, &pointer));
    return pointer;
  }
  static fl_pinned_stats pinned_stats() {
    fl_pinned_stats stats{};
    stats.struct_size = sizeof(stats);
    EXPECT_OK(fl_pinned_get_stats(&stats));
    return stats;
  }
};

TEST_F(PinnedTest, a_released_block_serves_the_next_request_of_its_size) {
  start();
  void* first = pinned(1000);
  fl_pinned_release(first);
  EXPECT_EQ(pinned(600), first);
  EXPECT_NE(pinned(1024), first);
  EXPECT_EQ(driver().count("host_allocate"), 2);
}

TEST_F(PinnedTest, zero_bytes_is_null) {
  start();
  EXPECT_EQ(pinned(0), nullptr);
  fl_pinned_release(nullptr);
  EXPECT_EQ(driver().count("host_allocate"), 0);
}

TEST_F(PinnedTest, contains_is_true_inside_live_blocks_only) {
  start();
  char* block = static_cast<char*>(pinned(1000));
  EXPECT_TRUE(fl_pinned_contains(block));
  EXPECT_TRUE(fl_pinned_contains(block + 999));
  EXPECT_FALSE(fl_pinned_contains(block + 1024));
  EXPECT_FALSE(fl_pinned_contains(&block));
  EXPECT_FALSE(fl_pinned_contains(nullptr));
  fl_pinned_release(block);
  EXPECT_FALSE(fl_pinned_contains(block));
}

TEST_F(PinnedTest, memory_under_an_asynchronous_copy_is_not_used_again_before_it_passed) {
  start();
  fl_block* block = allocate(1024);
  char* source = static_cast<char*>(pinned(1024));
  std::memset(source, 3, 1024);
  driver().holding = true;
  const fl_copy_side dst = {block->address, 0, stream_}, src = {reinterpret_cast<uint64_t>(source), FL_HOST, nullptr};
  ASSERT_OK(fl_copy(&dst, &src, 1024, FL_COPY_ASYNC));
  fl_pinned_release(source);  // right after the copy was started, as a program does
  char* next = static_cast<char*>(pinned(1024));
  EXPECT_NE(next, source);
  driver().run();
  EXPECT_EQ(static_cast<char*>(driver().host_view(block->address))[1023], 3);
  EXPECT_EQ(pinned(1024), source);
}

TEST_F(PinnedTest, a_pointer_of_another_kind_is_refused) {
  start();
  int here = 0;
  EXPECT_EQ(fl_pinned_record_stream(&here, stream_), FL_INVALID_ARGUMENT);
  EXPECT_OK(fl_pinned_record_stream(static_cast<char*>(pinned(100)) + 50, stream_));
}

TEST_F(PinnedTest, statistics_count_blocks_and_segments) {
  start();
  void* kept = pinned(1000);
  fl_pinned_release(pinned(5000));
  fl_pinned_stats stats = pinned_stats();
  EXPECT_EQ(stats.allocation.current, 1);
  EXPECT_EQ(stats.allocation.peak, 2);
  EXPECT_EQ(stats.allocated_bytes.current, 1024);
  EXPECT_EQ(stats.allocated_bytes.freed, 8192);
  EXPECT_EQ(stats.reserved_bytes.current, 1024 + 8192);
  EXPECT_EQ(stats.segment.current, 2);
  ASSERT_OK(fl_pinned_trim());
  EXPECT_EQ(driver().count("host_release"), 1);
  ASSERT_OK(fl_pinned_reset_peak());
  ASSERT_OK(fl_pinned_reset_accumulated());
  stats = pinned_stats();
  EXPECT_EQ(stats.reserved_bytes.current, 1024);
  EXPECT_EQ(stats.allocation.peak, 1);
  EXPECT_EQ(stats.allocation.allocated, 0);
  EXPECT_TRUE(fl_pinned_contains(kept));
}

TEST_F(PinnedTest, when_the_host_is_full_the_cache_is_given_back_and_tried_once_more) {
  start();
  fl_pinned_release(pinned(4096));
  driver().fail("host_allocate", FL_OUT_OF_MEMORY, "nothing to lock", 1);
  EXPECT_NE(pinned(100), nullptr);
  EXPECT_EQ(driver().count("host_release"), 1);
  driver().fail("host_allocate", FL_OUT_OF_MEMORY, "nothing to lock", 2);
  void* none = nullptr;
  EXPECT_EQ(fl_pinned_allocate(10000, &none), FL_OUT_OF_MEMORY);
  EXPECT_THAT(fl_last_error(), testing::HasSubstr("nothing to lock"));
}

TEST_F(PinnedTest, an_address_that_is_no_start_of_a_block_is_not_released) {
  start();
  char* block = static_cast<char*>(pinned(1000));
  fl_set_log_sink([](void*, int32_t, const char*) {}, nullptr);
  fl_pinned_release(block + 8);
  fl_set_log_sink(nullptr, nullptr);
  EXPECT_TRUE(fl_pinned_contains(block));
}

}  // namespace
}  // namespace fl::test
