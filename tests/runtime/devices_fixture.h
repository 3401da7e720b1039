// Fixtures that put devices of a test's choice behind the C API.
#ifndef FLAGOS_TESTS_DEVICES_FIXTURE_H_
#define FLAGOS_TESTS_DEVICES_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "drivers/linked_in.h"
#include "fake_driver_table.h"
#include "flagos/flagos.h"
#include "runtime/devices.h"

// Asserts FL_OK and shows the text of the failure.
#define ASSERT_OK(call) ASSERT_EQ((call), FL_OK) << fl_last_error()
#define EXPECT_OK(call) EXPECT_EQ((call), FL_OK) << fl_last_error()

namespace fl::test {

// One driver, or several, from now on; script the fakes before.
inline std::unique_ptr<runtime::Devices::Scoped> use_drivers(const std::vector<std::string>& names) {
  std::vector<runtime::LinkedDriver> linked = {{"fake", fake_entry}, {"other", other_entry}};
  for (const drivers::LinkedIn& driver : drivers::linked_in()) linked.push_back({driver.name, driver.entry});
  auto list = std::make_unique<runtime::DriverList>(linked, std::vector<std::string>{}, names);
  EXPECT_EQ(list->status(), FL_OK) << list->reason();
  return std::make_unique<runtime::Devices::Scoped>(std::move(list));
}

// The fake driver as flagos:0. `SetUp` of a derived fixture may script it and then call `start`.
class FakeDevices : public testing::Test {
 protected:
  void SetUp() override {
    driver().reset();
    fake<1>().reset();
  }
  void TearDown() override {
    EXPECT_TRUE(driver().violations().empty()) << driver().violations().front();
    EXPECT_TRUE(fake<1>().violations().empty()) << fake<1>().violations().front();
  }
  static FakeDriver& driver() { return fake<0>(); }
  void start(const std::vector<std::string>& names = {"fake"}) {
    devices_.reset();
    devices_ = use_drivers(names);
    ASSERT_OK(fl_stream_default(0, &stream_));
  }

  fl_block* allocate(uint64_t size, fl_stream* stream = nullptr) {
    fl_block* block = nullptr;
    EXPECT_OK(fl_block_allocate(stream ? stream : stream_, size, &block));
    return block;
  }
  static fl_memory_stats stats(int32_t device = 0) {
    fl_memory_stats stats{};
    stats.struct_size = sizeof(stats);
    EXPECT_OK(fl_memory_get_stats(device, &stats));
    return stats;
  }
  static fl_stream* pool_stream(int32_t device = 0, int32_t priority = 0) {
    fl_stream* stream = nullptr;
    EXPECT_OK(fl_stream_from_pool(device, priority, &stream));
    return stream;
  }

  std::unique_ptr<runtime::Devices::Scoped> devices_;
  fl_stream* stream_ = nullptr;
};

}  // namespace fl::test

#endif  // FLAGOS_TESTS_DEVICES_FIXTURE_H_
