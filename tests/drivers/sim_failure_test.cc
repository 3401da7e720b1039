#include <gtest/gtest.h>

#include <thread>

#include "sim_objects.h"

namespace fl {
namespace {

const fl_driver& driver = sim_driver();

struct LostDevice {
  int32_t device;
  explicit LostDevice(int32_t lost) : device(lost) { EXPECT_DONE(driver, sim_control().lose_device(device)); }
  ~LostDevice() { EXPECT_DONE(driver, sim_control().restore_device(device)); }
};

TEST(SimFailure, allocations_fail_as_often_as_asked) {
  ASSERT_DONE(driver, sim_control().fail_allocations(0, 2));
  fl_addr block = 0;
  EXPECT_EQ(driver.allocate(0, 64, &block), FL_OUT_OF_MEMORY);
  EXPECT_EQ(driver.allocate(0, 64, &block), FL_OUT_OF_MEMORY);
  EXPECT_DONE(driver, driver.allocate(0, 64, &block));
  EXPECT_DONE(driver, driver.release(0, block));
}

TEST(SimFailure, every_call_on_a_lost_device_says_so) {
  const SimMemory memory(64);
  const SimStream stream;
  const SimEvent event;
  const LostDevice lost(0);
  std::vector<char> bytes(64);
  fl_addr block = 0;
  uint64_t free_bytes = 0, total_bytes = 0;
  const uint64_t value = 0;
  EXPECT_EQ(driver.allocate(0, 64, &block), FL_DEVICE_LOST);
  EXPECT_NE(std::string(driver.last_error()).find("lost"), std::string::npos);
  EXPECT_EQ(driver.memory_info(0, &free_bytes, &total_bytes), FL_DEVICE_LOST);
  EXPECT_EQ(driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, address(bytes.data()), memory.at, 64), FL_DEVICE_LOST);
  EXPECT_EQ(driver.fill(0, stream.handle, memory.at, &value, 8, 8), FL_DEVICE_LOST);
  EXPECT_EQ(driver.stream_query(0, stream.handle), FL_DEVICE_LOST);
  EXPECT_EQ(driver.stream_synchronize(0, stream.handle), FL_DEVICE_LOST);
  EXPECT_EQ(driver.event_record(0, event.handle, stream.handle), FL_DEVICE_LOST);
  EXPECT_EQ(driver.event_synchronize(0, event.handle), FL_DEVICE_LOST);
  EXPECT_EQ(driver.device_synchronize(0), FL_DEVICE_LOST);
}

TEST(SimFailure, the_other_device_goes_on_working) {
  const LostDevice lost(0);
  const SimMemory memory(64, 1);
  const std::vector<char> bytes(64, 7);
  std::vector<char> seen(64);
  ASSERT_DONE(driver, driver.copy(1, nullptr, FL_COPY_HOST_TO_DEVICE, memory.at, address(bytes.data()), 64));
  ASSERT_DONE(driver, driver.copy(1, nullptr, FL_COPY_DEVICE_TO_HOST, address(seen.data()), memory.at, 64));
  EXPECT_EQ(seen, bytes);
}

TEST(SimFailure, whoever_waits_for_a_lost_device_returns) {
  const SimStream stream;
  const SimKernels kernels;
  const SimMemory memory(4);
  const ClosedGate gate;  // never opened while the thread waits
  kernels.gate(stream, gate.number);
  kernels.fill(stream, memory.at, 1, 1);
  fl_status status = FL_OK;
  std::thread waiter([&] { status = driver.stream_synchronize(0, stream.handle); });
  {
    const LostDevice lost(0);
    waiter.join();
  }
  EXPECT_EQ(status, FL_DEVICE_LOST);
}

TEST(SimFailure, a_lost_device_can_be_cleaned_up_and_its_memory_is_gone) {
  fl_addr block = 0;
  ASSERT_DONE(driver, driver.allocate(0, 64, &block));
  const uint64_t value = 1;
  ASSERT_DONE(driver, driver.fill(0, nullptr, block, &value, 8, 8));
  ASSERT_DONE(driver, driver.device_synchronize(0));
  { const LostDevice lost(0); }
  uint64_t seen = 0;
  ASSERT_DONE(driver, driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, address(&seen), block, 8));
  EXPECT_EQ(seen, 0xFBFBFBFBFBFBFBFB);
  const LostDevice lost(0);
  EXPECT_DONE(driver, driver.release(0, block));
}

TEST(SimFailure, a_peer_copy_with_a_lost_device_is_refused) {
  const auto& peer = group_of<fl_hal_peer1>(driver, "peer/1");
  const SimMemory here(64), there(64, 1);
  const LostDevice lost(1);
  EXPECT_EQ(peer.copy(0, nullptr, 1, there.at, 0, here.at, 64), FL_DEVICE_LOST);
}

}  // namespace
}  // namespace fl
