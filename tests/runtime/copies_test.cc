// Copies of every pair of places, over fakes whose memory the host cannot read, over the host driver and across
// drivers.
#include <gmock/gmock.h>

#include <numeric>

#include "devices_fixture.h"

namespace fl::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class CopiesTest : public FakeDevices {
 protected:
  // Bytes that differ at every position of a chunk and of the chunk after it.
  static std::vector<uint8_t> pattern(size_t size, int seed = 1) {
    std::vector<uint8_t> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 251 + static_cast<size_t>(seed));
    return bytes;
  }
  static fl_copy_side host(const void* pointer) { return {reinterpret_cast<uint64_t>(pointer), FL_HOST, nullptr}; }
  static fl_copy_side on(fl_block* block, fl_stream* stream) { return {block->address, block->device, stream}; }
  static fl_status copy(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size, uint32_t flags = 0) {
    return fl_copy(&dst, &src, size, flags);
  }
  // Sends a pattern to `from`, copies it to `to` and returns what arrives.
  void expect_copied(fl_stream* to, fl_stream* from, uint64_t size) {
    fl_block* source = allocate(size, from);
    fl_block* target = allocate(size, to);
    const std::vector<uint8_t> sent = pattern(size);
    std::vector<uint8_t> got(size);
    ASSERT_OK(copy(on(source, from), host(sent.data()), size));
    ASSERT_OK(copy(on(target, to), on(source, from), size));
    ASSERT_OK(copy(host(got.data()), on(target, to), size));
    EXPECT_EQ(got, sent);
    fl_block_release(source);
    fl_block_release(target);
  }
  static fl_stream* stream_of(int32_t device) {
    fl_stream* stream = nullptr;
    EXPECT_OK(fl_stream_default(device, &stream));
    return stream;
  }
};

TEST_F(CopiesTest, host_to_host) {
  start();
  for (size_t size : {size_t{0}, size_t{1}, size_t{5 * kMiB + 3}}) {
    const std::vector<uint8_t> sent = pattern(size);
    std::vector<uint8_t> got(size);
    ASSERT_OK(copy(host(got.data()), host(sent.data()), size));
    EXPECT_EQ(got, sent);
  }
}

TEST_F(CopiesTest, device_and_host_and_between_streams_of_one_device) {
  start();
  expect_copied(stream_, stream_, 1000);
  expect_copied(pool_stream(), stream_, 3 * kMiB);
}

TEST_F(CopiesTest, between_devices_of_a_driver_with_and_without_peer_copies) {
  driver().devices = 2;
  start();
  expect_copied(pool_stream(1), pool_stream(0), 9 * kMiB + 17);
  EXPECT_EQ(driver().count("peer_copy"), 0);
  driver().reset();
  driver().devices = 2;
  driver().has_peer = true;
  start();
  const int copies = driver().count("copy");
  expect_copied(pool_stream(1), pool_stream(0), 9 * kMiB + 17);
  EXPECT_EQ(driver().count("peer_copy"), 1);
  EXPECT_EQ(driver().count("copy") - copies, 2);  // to and from the host
}

TEST_F(CopiesTest, between_two_drivers_through_pinned_chunks) {
  start({"fake", "other"});
  expect_copied(stream_of(1), stream_, 1);
  expect_copied(stream_of(1), stream_, 21 * kMiB + 5);
  expect_copied(stream_, stream_of(1), 21 * kMiB + 5);
  EXPECT_LE(driver().count("host_allocate"), 4);
}

TEST_F(CopiesTest, between_an_accelerator_and_the_host_driver_without_staging) {
  start({"fake", "host"});
  expect_copied(stream_of(1), stream_, 5 * kMiB + 1);
  expect_copied(stream_, stream_of(1), 5 * kMiB + 1);
  expect_copied(stream_of(1), stream_of(1), 5 * kMiB + 1);
  EXPECT_EQ(driver().count("host_allocate"), 0);
}

TEST_F(CopiesTest, between_two_host_devices) {
  start({"host"});
  int32_t count = 0;
  ASSERT_OK(fl_device_count(&count));
  expect_copied(stream_of(count - 1), stream_, 5 * kMiB + 1);
}

TEST_F(CopiesTest, between_drivers_held_work_of_both_sides_keeps_its_order) {
  start({"fake", "other"});
  fl_block* source = allocate(16);
  fl_block* target = allocate(16, stream_of(1));
  driver().holding = true;
  fake<1>().holding = true;
  const uint64_t first = 1, second = 2, third = 3;
  ASSERT_OK(fl_fill(stream_, source->address, &first, 8, 2));
  ASSERT_OK(fl_fill(stream_of(1), target->address, &second, 8, 2));
  ASSERT_OK(copy(on(target, stream_of(1)), on(source, stream_), 16, FL_COPY_ASYNC));
  ASSERT_OK(fl_fill(stream_, source->address, &third, 8, 2));
  fake<1>().run();
  EXPECT_EQ(static_cast<uint64_t*>(fake<1>().host_view(target->address))[1], 1u);
  driver().run();
}

TEST_F(CopiesTest, a_copy_between_streams_waits_for_both) {
  start();
  fl_stream* writer = pool_stream();
  fl_stream* reader = pool_stream();
  fl_block* source = allocate(8, writer);
  fl_block* target = allocate(8, reader);
  driver().holding = true;
  const uint64_t one = 1, two = 2;
  ASSERT_OK(fl_fill(writer, source->address, &one, 8, 1));
  ASSERT_OK(copy(on(target, reader), on(source, writer), 8, FL_COPY_ASYNC));
  ASSERT_OK(fl_fill(writer, source->address, &two, 8, 1));  // must not overtake the copy
  void* native = nullptr;
  ASSERT_OK(fl_stream_native(reader, &native));
  driver().run_stream(static_cast<fl_hal_stream>(native));
  EXPECT_EQ(fl_stream_query(reader), FL_NOT_READY);
  ASSERT_OK(fl_stream_native(writer, &native));
  driver().run_stream(static_cast<fl_hal_stream>(native));
  driver().run();
  EXPECT_EQ(*static_cast<uint64_t*>(driver().host_view(target->address)), 1u);
  EXPECT_EQ(*static_cast<uint64_t*>(driver().host_view(source->address)), 2u);
}

TEST_F(CopiesTest, only_an_asynchronous_copy_with_pinned_memory_returns_at_once) {
  start();
  void* pinned = nullptr;
  ASSERT_OK(fl_pinned_allocate(8, &pinned));
  fl_block* block = allocate(8);
  driver().holding = true;
  ASSERT_OK(copy(on(block, stream_), host(pinned), 8, FL_COPY_ASYNC));
  EXPECT_EQ(fl_stream_query(stream_), FL_NOT_READY);
  ASSERT_OK(copy(on(block, stream_), host(pinned), 8));
  EXPECT_EQ(fl_stream_query(stream_), FL_OK);
  ASSERT_OK(copy(host(pinned), on(block, stream_), 8, FL_COPY_ASYNC));
  EXPECT_EQ(fl_stream_query(stream_), FL_NOT_READY);
  uint64_t pageable = 0;
  ASSERT_OK(copy(host(&pageable), on(block, stream_), 8, FL_COPY_ASYNC));
  EXPECT_EQ(fl_stream_query(stream_), FL_OK);
  fl_pinned_release(pinned);
}

TEST_F(CopiesTest, a_failed_staged_copy_gives_its_chunks_back) {
  start({"fake", "other"});
  fl_block* source = allocate(12 * kMiB);
  fl_block* target = allocate(12 * kMiB, stream_of(1));
  fake<1>().fail("copy", FL_INTERNAL, "bad descriptor");
  EXPECT_EQ(copy(on(target, stream_of(1)), on(source, stream_), 12 * kMiB), FL_INTERNAL);
  EXPECT_STREQ(
      fl_last_error(),
      "flagos:1 (driver other, device 0) cannot copy from host memory: bad descriptor. Run `flagos doctor` and send "
      "its output with this text to the driver's author.");
  fl_pinned_stats stats{};
  stats.struct_size = sizeof(stats);
  ASSERT_OK(fl_pinned_get_stats(&stats));
  EXPECT_EQ(stats.allocation.current, 0);
}

TEST_F(CopiesTest, arguments_that_make_no_sense_are_refused) {
  driver().devices = 2;
  start();
  fl_block* block = allocate(8);
  int here = 0;
  EXPECT_EQ(copy(on(block, nullptr), host(&here), 4), FL_INVALID_ARGUMENT);
  EXPECT_EQ(copy(on(block, stream_of(1)), host(&here), 4), FL_INVALID_ARGUMENT);
  EXPECT_EQ(copy(on(block, stream_), {reinterpret_cast<uint64_t>(&here), FL_HOST, stream_}, 4), FL_INVALID_ARGUMENT);
  EXPECT_EQ(copy(on(block, stream_), host(nullptr), 4), FL_INVALID_ARGUMENT);
  EXPECT_EQ(copy(on(block, stream_), host(&here), 4, 2), FL_INVALID_ARGUMENT);
  EXPECT_EQ(copy({block->address, 5, stream_}, host(&here), 4), FL_INVALID_ARGUMENT);
  EXPECT_OK(copy(on(block, stream_), host(nullptr), 0));
  EXPECT_EQ(fl_fill(stream_, block->address, &here, 3, 1), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_fill(stream_, block->address, nullptr, 4, 1), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_fill(nullptr, block->address, &here, 4, 1), FL_INVALID_ARGUMENT);
  EXPECT_OK(fl_fill(stream_, block->address, nullptr, 4, 0));
}

}  // namespace
}  // namespace fl::test
