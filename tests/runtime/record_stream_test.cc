// Blocks that other streams use: handed out again only behind those streams, without anybody waiting for them.
#include <gmock/gmock.h>

#include "devices_fixture.h"

namespace fl::test {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class RecordStreamTest : public FakeDevices {};

TEST_F(RecordStreamTest, a_block_that_another_stream_uses_waits_for_that_stream) {
  start();
  fl_stream* side = pool_stream();
  fl_block* block = allocate(512);
  const fl_addr address = block->address;
  driver().holding = true;
  const uint64_t ones = ~uint64_t{0};
  ASSERT_OK(fl_fill(side, address, &ones, 8, 64));
  ASSERT_OK(fl_block_record_stream(block, side));
  fl_block_release(block);
  EXPECT_EQ(stats().allocation[FL_STAT_ALL].current, 0);
  EXPECT_EQ(stats().active[FL_STAT_ALL].current, 1);
  fl_block* meanwhile = allocate(512);
  EXPECT_NE(meanwhile->address, address);
  EXPECT_EQ(stats().active[FL_STAT_ALL].peak, 2);
  EXPECT_EQ(driver().count("event_synchronize"), 0);  // polled, never waited for
  driver().run();
  EXPECT_EQ(allocate(512)->address, address);
  EXPECT_EQ(stats().active[FL_STAT_ALL].current, 2);
  EXPECT_EQ(stats().active[FL_STAT_ALL].freed, 1);
}

TEST_F(RecordStreamTest, a_block_waits_for_all_its_streams) {
  start();
  fl_stream* sides[] = {pool_stream(), pool_stream()};
  fl_block* block = allocate(512);
  const fl_addr address = block->address;
  driver().holding = true;
  for (fl_stream* side : sides) {
    ASSERT_OK(fl_block_record_stream(block, side));
    ASSERT_OK(fl_block_record_stream(block, side));
  }
  fl_block_release(block);
  EXPECT_EQ(driver().count("event_record"), 2);
  void* native = nullptr;
  ASSERT_OK(fl_stream_native(sides[0], &native));
  driver().run_stream(static_cast<fl_hal_stream>(native));
  EXPECT_NE(allocate(512)->address, address);
  ASSERT_OK(fl_stream_native(sides[1], &native));
  driver().run_stream(static_cast<fl_hal_stream>(native));
  EXPECT_EQ(allocate(512)->address, address);
}

TEST_F(RecordStreamTest, events_of_deferred_blocks_are_used_again) {
  start();
  fl_stream* side = pool_stream();
  for (int i = 0; i < 100; ++i) {
    fl_block* block = allocate(512);
    ASSERT_OK(fl_block_record_stream(block, side));
    fl_block_release(block);
  }
  EXPECT_EQ(driver().count("event_record"), 100);
  EXPECT_LE(driver().count("event_create"), 2);
}

TEST_F(RecordStreamTest, a_block_is_not_deferred_for_its_own_stream) {
  start();
  fl_block* block = allocate(512);
  ASSERT_OK(fl_block_record_stream(block, stream_));
  fl_block_release(block);
  EXPECT_EQ(driver().count("event_record"), 0);
}

TEST_F(RecordStreamTest, a_synchronous_driver_sees_no_event_at_all) {
  driver().capabilities = 0;
  start();
  fl_stream* side = pool_stream();
  fl_block* block = allocate(512);
  const fl_addr address = block->address;
  ASSERT_OK(fl_block_record_stream(block, side));
  fl_block_release(block);
  EXPECT_EQ(allocate(512)->address, address);
  EXPECT_EQ(driver().count("event_create") + driver().count("event_record") + driver().count("event_query"), 0);
}

TEST_F(RecordStreamTest, out_of_memory_waits_for_deferred_blocks_before_it_fails) {
  driver().memory = 100 * kMiB;
  start();
  fl_stream* side = pool_stream();
  fl_block* block = allocate(80 * kMiB);
  driver().holding = true;
  const uint8_t one = 1;
  ASSERT_OK(fl_fill(side, block->address, &one, 1, 80 * kMiB));
  ASSERT_OK(fl_block_record_stream(block, side));
  fl_block_release(block);
  EXPECT_NE(allocate(70 * kMiB), nullptr);
  EXPECT_EQ(stats().retries, 0);
  EXPECT_EQ(driver().count("event_synchronize"), 1);
}

TEST_F(RecordStreamTest, without_an_event_the_stream_is_waited_for) {
  start();
  fl_stream* side = pool_stream();
  fl_block* block = allocate(512);
  const fl_addr address = block->address;
  ASSERT_OK(fl_block_record_stream(block, side));
  driver().fail("event_create", FL_OUT_OF_MEMORY, "no more events");
  fl_block_release(block);
  EXPECT_EQ(driver().count("stream_synchronize"), 1);
  EXPECT_EQ(allocate(512)->address, address);
}

TEST_F(RecordStreamTest, a_block_of_a_lost_stream_is_never_used_again) {
  start();
  fl_stream* side = pool_stream();
  fl_block* block = allocate(512);
  ASSERT_OK(fl_block_record_stream(block, side));
  driver().fail("event_record", FL_DEVICE_LOST, "the cable is out", 1);
  fl_set_log_sink([](void*, int32_t, const char*) {}, nullptr);
  fl_block_release(block);
  fl_set_log_sink(nullptr, nullptr);
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, 512, &none), FL_DEVICE_LOST);
  EXPECT_THAT(fl_last_error(), HasSubstr("was lost earlier"));
  EXPECT_EQ(fl_device_usable(0), FL_DEVICE_LOST);
  EXPECT_EQ(fl_stream_query(stream_), FL_DEVICE_LOST);
}

}  // namespace
}  // namespace fl::test
