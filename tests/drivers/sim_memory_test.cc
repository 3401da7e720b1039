#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "sim_objects.h"

namespace fl {
namespace {

const fl_driver& driver = sim_driver();

TEST(SimMemory, is_absent_unless_it_is_named) {
  for (const char* named : {static_cast<const char*>(nullptr), "", "host", "simulator,host"}) {
    static const char* driver_option;
    driver_option = named;
    const fl_driver_host host = {
        sizeof(fl_driver_host),
        FL_HAL_VERSION,
        0,
        [](const char* name) { return std::strcmp(name, "FLAGOS_DRIVER") == 0 ? driver_option : nullptr; },
        fl_log,
        fl_parallel_for};
    const fl_driver* none = nullptr;
    char why[256] = "";
    EXPECT_EQ(fl_sim_driver_entry(&host, &none, why, sizeof(why)), FL_ABSENT);
    EXPECT_NE(std::string(why).find("FLAGOS_DRIVER=sim"), std::string::npos) << why;
  }
}

TEST(SimMemory, options_that_are_no_numbers_are_named) {
  const fl_driver_host host = {sizeof(fl_driver_host),
                               FL_HAL_VERSION,
                               0,
                               [](const char* name) -> const char* {
                                 return std::strcmp(name, "FLAGOS_DRIVER") == 0        ? "sim"
                                        : std::strcmp(name, "FLAGOS_SIM_DEVICES") == 0 ? "many"
                                                                                       : nullptr;
                               },
                               fl_log,
                               fl_parallel_for};
  const fl_driver* none = nullptr;
  char why[256] = "";
  EXPECT_EQ(fl_sim_driver_entry(&host, &none, why, sizeof(why)), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(why).find("FLAGOS_SIM_DEVICES='many'"), std::string::npos) << why;
}

// The kernel itself is asked to read the memory for the process: EFAULT where the process cannot.
TEST(SimMemory, the_host_can_read_no_page_of_it) {
  const SimMemory memory(1 << 20);
  const int null = open("/dev/null", O_WRONLY);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  for (const uint64_t offset : {uint64_t{0}, uint64_t{4096}, uint64_t{(1 << 20) - 1}}) {
    EXPECT_EQ(write(pipe_ends[1], reinterpret_cast<const void*>(memory.at + offset), 1), -1) << offset;
    EXPECT_EQ(errno, EFAULT);
  }
  close(pipe_ends[0]), close(pipe_ends[1]), close(null);
}

TEST(SimMemoryDeathTest, a_host_read_faults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  fl_addr block = 0;
  ASSERT_DONE(driver, driver.allocate(0, 64, &block));
  EXPECT_DEATH(std::exit(*reinterpret_cast<volatile const char*>(block) & 0), "");
  EXPECT_DONE(driver, driver.release(0, block));
}

TEST(SimMemory, new_memory_is_not_zero) {
  const SimMemory memory(4096);
  std::vector<char> seen(4096, 0);
  ASSERT_DONE(driver, driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, address(seen.data()), memory.at, seen.size()));
  EXPECT_EQ(seen, std::vector<char>(4096, static_cast<char>(0xFB)));
}

TEST(SimMemory, runs_out_and_says_how_much_there_was) {
  std::vector<fl_addr> blocks;
  fl_addr block = 0;
  fl_status status = FL_OK;
  while ((status = driver.allocate(1, 8 << 20, &block)) == FL_OK) blocks.push_back(block);
  EXPECT_EQ(status, FL_OUT_OF_MEMORY);
  EXPECT_NE(std::string(driver.last_error()).find("67108864"), std::string::npos) << driver.last_error();
  EXPECT_EQ(blocks.size(), 7u) << "8 blocks of 8 MiB and their padding are more than 64 MiB";
  for (fl_addr each : blocks) EXPECT_DONE(driver, driver.release(1, each));
  uint64_t free_bytes = 0, total_bytes = 0;
  ASSERT_DONE(driver, driver.memory_info(1, &free_bytes, &total_bytes));
  EXPECT_EQ(free_bytes, kSimMemory);
  EXPECT_EQ(total_bytes, kSimMemory);
  EXPECT_DONE(driver, driver.allocate(1, kSimMemory - 4096, &block)) << "free ranges were not joined";
  EXPECT_DONE(driver, driver.release(1, block));
}

TEST(SimMemory, a_range_over_the_end_of_a_block_is_refused) {
  const SimMemory memory(100);
  std::vector<char> bytes(101);
  EXPECT_EQ(driver.copy(0, nullptr, FL_COPY_HOST_TO_DEVICE, memory.at, address(bytes.data()), 101),
            FL_INVALID_ARGUMENT);
  EXPECT_EQ(driver.copy(0, nullptr, FL_COPY_HOST_TO_DEVICE, memory.at + 1, address(bytes.data()), 100),
            FL_INVALID_ARGUMENT);
  EXPECT_DONE(driver, driver.copy(0, nullptr, FL_COPY_HOST_TO_DEVICE, memory.at, address(bytes.data()), 100));
}

TEST(SimMemory, a_device_address_in_place_of_a_host_pointer_is_refused) {
  const SimMemory memory(64), other(64, 1);
  EXPECT_EQ(driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, other.at, memory.at, 64), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(driver.last_error()).find("device 1"), std::string::npos) << driver.last_error();
}

TEST(SimMemory, memory_in_flight_is_never_given_back) {
  const SimStream stream;
  const SimKernels kernels;
  SimPinned<float> pinned(16);
  fl_addr block = 0;
  ASSERT_DONE(driver, driver.allocate(0, 64, &block));
  {
    const ClosedGate gate;
    kernels.gate(stream, gate.number);
    ASSERT_DONE(driver, driver.copy(0, stream.handle, FL_COPY_HOST_TO_DEVICE, block, address(pinned.data), 64));
    EXPECT_EQ(driver.release(0, block), FL_INVALID_ARGUMENT);
    EXPECT_NE(std::string(driver.last_error()).find("in flight"), std::string::npos);
    EXPECT_EQ(driver.host_release(pinned.data), FL_INVALID_ARGUMENT);
  }
  stream.synchronize();
  EXPECT_DONE(driver, driver.release(0, block));
}

}  // namespace
}  // namespace fl
