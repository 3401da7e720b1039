// What the host driver promises beyond the contract that the conformance program checks.
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "linked_drivers.h"

namespace fl {
namespace {

const fl_driver& driver = host_driver();

TEST(Host, has_the_devices_that_were_asked_for) {
  int32_t count = 0;
  ASSERT_DONE(driver, driver.device_count(&count));
  EXPECT_EQ(count, 2);
  fl_hal_device_info info{
      .struct_size = sizeof(info), .name = "", .arch = "", .total_memory = 0, .multiprocessors = 0, .alignment = 0};
  ASSERT_DONE(driver, driver.device_info(1, &info));
  EXPECT_EQ(std::string(info.arch).substr(0, 6), "x86-64");
  EXPECT_EQ(info.alignment, 64u);
  EXPECT_GE(info.multiprocessors, 1u);
}

TEST(Host, promises_what_it_is) {
  EXPECT_EQ(driver.capabilities, uint32_t{FL_CAP_HOST_ACCESS | FL_CAP_EVENT_TIMING | FL_CAP_FORK_SAFE});
}

TEST(Host, blocks_have_zeros_to_read_behind_their_end) {
  for (const uint64_t size : {1, 63, 64, 100, 65'535, 65'536, 100'000, 2 << 20, (2 << 20) + 1, (5 << 20) - 64}) {
    fl_addr block = 0;
    ASSERT_DONE(driver, driver.allocate(0, size, &block));
    const auto* bytes = reinterpret_cast<const char*>(block) + size;
    for (int i = 0; i < 64; ++i) EXPECT_EQ(bytes[i], 0) << size;
    ASSERT_DONE(driver, driver.release(0, block));
  }
}

TEST(Host, alignment_grows_with_the_block) {
  const struct {
    uint64_t size, alignment;
  } cases[] = {{1, 64}, {4096, 64}, {65'536, 4096}, {2 << 20, 2 << 20}, {9 << 20, 2 << 20}};
  for (const auto& [size, alignment] : cases) {
    fl_addr block = 0;
    ASSERT_DONE(driver, driver.allocate(0, size, &block));
    EXPECT_EQ(block % alignment, 0u) << size;
    ASSERT_DONE(driver, driver.release(0, block));
  }
}

TEST(Host, large_blocks_ask_for_huge_pages) {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string modes;
  std::getline(file, modes);
  if (modes.find("madvise") == std::string::npos)
    GTEST_SKIP() << "this kernel has no transparent huge pages to ask for";
  fl_addr block = 0;
  ASSERT_DONE(driver, driver.allocate(0, 8 << 20, &block));
  // The mapping's flags in smaps have "hg" for MADV_HUGEPAGE.
  std::ifstream maps("/proc/self/smaps");
  bool inside = false, advised = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &begin, &end) == 2) inside = begin <= block && block < end;
    if (inside && line.starts_with("VmFlags:")) advised = line.find(" hg") != std::string::npos;
  }
  EXPECT_TRUE(advised);
  ASSERT_DONE(driver, driver.release(0, block));
}

TEST(Host, more_than_the_machine_has_is_refused_before_it_is_touched) {
  uint64_t free_bytes = 0, total_bytes = 0;
  ASSERT_DONE(driver, driver.memory_info(0, &free_bytes, &total_bytes));
  fl_addr block = 0;
  EXPECT_EQ(driver.allocate(0, total_bytes + (1 << 20), &block), FL_OUT_OF_MEMORY);
  EXPECT_NE(std::string(driver.last_error()).find("MiB"), std::string::npos) << driver.last_error();
}

TEST(Host, pinned_and_device_blocks_are_not_mixed_up) {
  fl_addr block = 0;
  void* pinned = nullptr;
  ASSERT_DONE(driver, driver.allocate(0, 64, &block));
  ASSERT_DONE(driver, driver.host_allocate(64, &pinned));
  EXPECT_EQ(driver.host_release(reinterpret_cast<void*>(block)), FL_INVALID_ARGUMENT);
  EXPECT_EQ(driver.release(0, address(pinned)), FL_INVALID_ARGUMENT);
  EXPECT_EQ(driver.release(1, block), FL_INVALID_ARGUMENT);
  EXPECT_DONE(driver, driver.release(0, block));
  EXPECT_DONE(driver, driver.host_release(pinned));
}

TEST(Host, destroyed_handles_are_errors_that_say_so) {
  fl_hal_stream stream = nullptr;
  fl_hal_event event = nullptr;
  ASSERT_DONE(driver, driver.stream_create(0, 0, &stream));
  ASSERT_DONE(driver, driver.event_create(0, 1, &event));
  EXPECT_EQ(driver.stream_query(0, reinterpret_cast<fl_hal_stream>(event)), FL_INVALID_ARGUMENT);
  ASSERT_DONE(driver, driver.stream_destroy(0, stream));
  ASSERT_DONE(driver, driver.event_destroy(0, event));
  EXPECT_EQ(driver.stream_query(0, stream), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(driver.last_error()).find("destroyed"), std::string::npos);
  EXPECT_EQ(driver.event_record(0, event, nullptr), FL_INVALID_ARGUMENT);
  EXPECT_EQ(driver.event_destroy(0, event), FL_INVALID_ARGUMENT);
}

TEST(Host, copies_above_the_grain_of_a_thread_arrive_whole) {
  const uint64_t size = (16 << 20) + 37;
  std::vector<char> source(size), target(size);
  for (uint64_t i = 0; i < size; ++i) source[i] = static_cast<char>(i * 2654435761u >> 13);
  ASSERT_DONE(driver, driver.copy(0, nullptr, FL_COPY_ON_DEVICE, address(target.data()), address(source.data()), size));
  EXPECT_EQ(source, target);
}

}  // namespace
}  // namespace fl
