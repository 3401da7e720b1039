// Devices, streams and events over a fake driver.
#include <gmock/gmock.h>

#include <set>

#include "devices_fixture.h"

namespace fl::test {
namespace {

using testing::HasSubstr;

class StreamEventTest : public FakeDevices {};

TEST_F(StreamEventTest, the_default_stream_has_id_0_and_needs_no_driver_call) {
  start();
  EXPECT_EQ(fl_stream_id(stream_), 0);
  EXPECT_EQ(fl_stream_device(stream_), 0);
  EXPECT_EQ(fl_stream_priority(stream_), 0);
  EXPECT_EQ(fl_device_opened(0), 0);
  EXPECT_EQ(driver().count("stream_create"), 0);
  fl_stream* again = nullptr;
  ASSERT_OK(fl_stream_from_id(0, 0, &again));
  EXPECT_EQ(again, stream_);
}

TEST_F(StreamEventTest, a_pool_of_32_is_made_as_it_is_used_and_then_goes_round) {
  start();
  std::set<fl_stream*> streams;
  fl_stream* first = pool_stream();
  EXPECT_EQ(driver().count("stream_create"), 1);
  EXPECT_EQ(fl_device_opened(0), 1);
  streams.insert(first);
  for (int i = 1; i < 32; ++i) streams.insert(pool_stream());
  EXPECT_EQ(streams.size(), 32u);
  EXPECT_EQ(pool_stream(), first);
  EXPECT_EQ(driver().count("stream_create"), 32);
  for (fl_stream* stream : streams) {
    fl_stream* found = nullptr;
    ASSERT_OK(fl_stream_from_id(0, fl_stream_id(stream), &found));
    EXPECT_EQ(found, stream);
  }
}

TEST_F(StreamEventTest, priorities_have_pools_of_their_own_and_are_limited) {
  start();
  fl_stream* urgent = pool_stream(0, -1);
  EXPECT_EQ(fl_stream_priority(urgent), -1);
  EXPECT_EQ(fl_stream_priority(pool_stream(0, -100)), -3);
  EXPECT_EQ(fl_stream_priority(pool_stream(0, 5)), 0);
  EXPECT_NE(fl_stream_id(urgent), fl_stream_id(pool_stream(0, 0)));
}

TEST_F(StreamEventTest, an_id_that_was_not_handed_out_is_refused) {
  start();
  fl_stream* none = nullptr;
  for (int64_t id : {int64_t{1}, int64_t{-1}, int64_t{129}, int64_t{1} << 40}) {
    EXPECT_EQ(fl_stream_from_id(0, id, &none), FL_INVALID_ARGUMENT) << id;
    EXPECT_THAT(fl_last_error(), HasSubstr(std::to_string(id)));
  }
}

TEST_F(StreamEventTest, an_index_out_of_range_is_refused_with_the_range) {
  driver().devices = 2;
  start();
  fl_stream* none = nullptr;
  EXPECT_EQ(fl_stream_default(2, &none), FL_INVALID_ARGUMENT);
  EXPECT_STREQ(fl_last_error(), "flagos:2 does not exist: there are 2 devices. Use an index from 0 to 1.");
  EXPECT_EQ(fl_stream_default(-1, &none), FL_INVALID_ARGUMENT);
}

TEST_F(StreamEventTest, a_stream_is_busy_until_its_work_has_run) {
  start();
  driver().holding = true;
  fl_block* block = allocate(8);
  const uint64_t value = 5;
  ASSERT_OK(fl_fill(stream_, block->address, &value, 8, 1));
  EXPECT_EQ(fl_stream_query(stream_), FL_NOT_READY);
  ASSERT_OK(fl_stream_synchronize(stream_));
  EXPECT_EQ(fl_stream_query(stream_), FL_OK);
  EXPECT_EQ(*static_cast<uint64_t*>(driver().host_view(block->address)), 5u);
}

TEST_F(StreamEventTest, a_synchronous_driver_is_not_asked_about_streams) {
  driver().capabilities = 0;
  start();
  EXPECT_EQ(fl_stream_query(stream_), FL_OK);
  EXPECT_OK(fl_stream_synchronize(stream_));
  EXPECT_EQ(driver().count("stream_query") + driver().count("stream_synchronize"), 0);
}

TEST_F(StreamEventTest, an_event_orders_two_streams) {
  start();
  fl_stream* producer = pool_stream();
  fl_stream* consumer = pool_stream();
  fl_block* block = allocate(16);
  driver().holding = true;
  fl_event* event = nullptr;
  ASSERT_OK(fl_event_create(0, 0, &event));
  const uint64_t value = 7;
  ASSERT_OK(fl_fill(producer, block->address, &value, 8, 1));
  ASSERT_OK(fl_event_record(event, producer));
  ASSERT_OK(fl_stream_wait(consumer, event));
  const fl_copy_side dst = {block->address + 8, 0, consumer}, src = {block->address, 0, consumer};
  ASSERT_OK(fl_copy(&dst, &src, 8, FL_COPY_ASYNC));
  void* native = nullptr;
  ASSERT_OK(fl_stream_native(consumer, &native));
  driver().run_stream(static_cast<fl_hal_stream>(native));
  EXPECT_EQ(fl_event_query(event), FL_NOT_READY);
  EXPECT_EQ(fl_stream_query(consumer), FL_NOT_READY);  // it waits for the producer
  driver().run();
  EXPECT_EQ(fl_event_query(event), FL_OK);
  EXPECT_EQ(static_cast<uint64_t*>(driver().host_view(block->address))[1], 7u);
  fl_event_destroy(event);
}

TEST_F(StreamEventTest, an_event_that_was_not_recorded_is_complete_even_if_its_handle_was_used_before) {
  start();
  fl_event* event = nullptr;
  ASSERT_OK(fl_event_create(0, 0, &event));
  driver().holding = true;
  const uint8_t byte = 1;
  ASSERT_OK(fl_fill(stream_, allocate(1)->address, &byte, 1, 1));
  ASSERT_OK(fl_event_record(event, stream_));
  EXPECT_EQ(fl_event_query(event), FL_NOT_READY);
  fl_event_destroy(event);  // pending
  ASSERT_OK(fl_event_create(0, 0, &event));
  EXPECT_EQ(driver().count("event_create"), 1);
  EXPECT_EQ(fl_event_query(event), FL_OK);
  EXPECT_OK(fl_event_synchronize(event));
  EXPECT_OK(fl_stream_wait(stream_, event));
  EXPECT_EQ(driver().count("stream_wait") + driver().count("event_synchronize"), 0);
  fl_event_destroy(event);
}

TEST_F(StreamEventTest, a_wait_for_another_devices_event_is_done_by_the_host) {
  driver().devices = 2;
  start();
  fl_stream* far = pool_stream(1);
  fl_event* event = nullptr;
  ASSERT_OK(fl_event_create(1, 0, &event));
  ASSERT_OK(fl_event_record(event, far));
  ASSERT_OK(fl_stream_wait(stream_, event));
  EXPECT_EQ(driver().count("stream_wait"), 0);
  EXPECT_EQ(driver().count("event_synchronize"), 1);
  EXPECT_EQ(fl_event_record(event, stream_), FL_INVALID_ARGUMENT);
  EXPECT_THAT(fl_last_error(), HasSubstr("event of flagos:1 cannot be recorded on a stream of flagos:0"));
  fl_event_destroy(event);
}

TEST_F(StreamEventTest, timing_needs_two_recorded_events_with_timing) {
  start();
  fl_event *start_event = nullptr, *stop_event = nullptr, *plain = nullptr;
  ASSERT_OK(fl_event_create(0, 1, &start_event));
  ASSERT_OK(fl_event_create(0, 1, &stop_event));
  ASSERT_OK(fl_event_create(0, 0, &plain));
  double milliseconds = 0;
  EXPECT_EQ(fl_event_elapsed(start_event, stop_event, &milliseconds), FL_INVALID_ARGUMENT);
  ASSERT_OK(fl_event_record(start_event, stream_));
  ASSERT_OK(fl_event_record(stop_event, stream_));
  ASSERT_OK(fl_event_record(plain, stream_));
  ASSERT_OK(fl_event_elapsed(start_event, stop_event, &milliseconds));
  EXPECT_EQ(milliseconds, 2.5);
  EXPECT_EQ(fl_event_elapsed(start_event, plain, &milliseconds), FL_INVALID_ARGUMENT);
  for (fl_event* event : {start_event, stop_event, plain}) fl_event_destroy(event);
  EXPECT_EQ(driver().count("event_destroy"), 2);  // the plain one is kept for the next
}

TEST_F(StreamEventTest, a_driver_without_timing_refuses_timing_events) {
  driver().capabilities = FL_CAP_ASYNC;
  start();
  fl_event* event = nullptr;
  EXPECT_EQ(fl_event_create(0, 1, &event), FL_UNSUPPORTED);
  EXPECT_OK(fl_event_create(0, 0, &event));
  fl_event_destroy(event);
}

TEST_F(StreamEventTest, a_host_function_runs_in_the_streams_order) {
  start();
  driver().holding = true;
  int calls = 0;
  ASSERT_OK(fl_stream_host_function(
      stream_, [](void* count) { ++*static_cast<int*>(count); }, &calls));
  EXPECT_EQ(calls, 0);
  driver().run();
  EXPECT_EQ(calls, 1);
}

TEST_F(StreamEventTest, without_the_group_a_host_function_runs_after_the_stream_on_the_caller) {
  driver().has_hostfunc = false;
  start();
  driver().holding = true;
  fl_block* block = allocate(8);
  const uint64_t value = 9;
  ASSERT_OK(fl_fill(stream_, block->address, &value, 8, 1));
  uint64_t seen = 0;
  struct Context {
    const uint64_t* from;
    uint64_t* to;
  } context = {static_cast<uint64_t*>(driver().host_view(block->address)), &seen};
  ASSERT_OK(fl_stream_host_function(
      stream_, [](void* c) { *static_cast<Context*>(c)->to = *static_cast<Context*>(c)->from; }, &context));
  EXPECT_EQ(seen, 9u);
}

TEST_F(StreamEventTest, the_error_names_device_driver_and_the_drivers_text) {
  start();
  driver().fail("stream_query", FL_INTERNAL, "error 77 in the queue");
  EXPECT_EQ(fl_stream_query(stream_), FL_INTERNAL);
  EXPECT_STREQ(
      fl_last_error(),
      "flagos:0 (driver fake, device 0) cannot query a stream: error 77 in the queue. Run `flagos doctor` and send "
      "its output with this text to the driver's author.");
  EXPECT_EQ(fl_stream_query(stream_), FL_OK);
}

TEST_F(StreamEventTest, not_ready_is_no_answer_to_a_synchronization) {
  start();
  driver().fail("stream_synchronize", FL_NOT_READY, "?");
  EXPECT_EQ(fl_stream_synchronize(stream_), FL_INTERNAL);
}

TEST_F(StreamEventTest, a_lost_device_stays_lost_with_one_clear_error_and_releases_are_safe) {
  driver().devices = 2;
  start();
  fl_block* block = allocate(512);
  driver().fail("stream_synchronize", FL_DEVICE_LOST, "fell off the bus");
  EXPECT_EQ(fl_stream_synchronize(stream_), FL_DEVICE_LOST);
  EXPECT_THAT(fl_last_error(), HasSubstr("fell off the bus"));
  fl_block* none = nullptr;
  EXPECT_EQ(fl_block_allocate(stream_, 512, &none), FL_DEVICE_LOST);
  EXPECT_EQ(fl_device_synchronize(0), FL_DEVICE_LOST);
  EXPECT_THAT(fl_last_error(), HasSubstr("flagos:0 (driver fake, device 0) was lost earlier"));
  fl_block_release(block);
  EXPECT_OK(fl_device_usable(1));  // its neighbour works on
  fl_stream* neighbour = nullptr;
  ASSERT_OK(fl_stream_default(1, &neighbour));
  EXPECT_OK(fl_block_allocate(neighbour, 512, &none));
}

TEST_F(StreamEventTest, an_info_struct_of_an_older_caller_is_filled_as_far_as_it_goes) {
  start();
  fl_device_info info{};
  EXPECT_EQ(fl_device_get_info(0, &info), FL_INVALID_ARGUMENT);
  info.struct_size = sizeof(info);
  ASSERT_OK(fl_device_get_info(0, &info));
  EXPECT_STREQ(info.driver, "fake");
  EXPECT_STREQ(info.driver_version, "1.2");
  EXPECT_STREQ(info.hal.name, "Fake accelerator");
  EXPECT_EQ(info.capabilities, driver().capabilities);
  fl_device_info older{};
  older.struct_size = offsetof(fl_device_info, ordinal);
  older.ordinal = 99;
  ASSERT_OK(fl_device_get_info(0, &older));
  EXPECT_STREQ(older.driver, "fake");
  EXPECT_EQ(older.ordinal, 99);
}

}  // namespace
}  // namespace fl::test
