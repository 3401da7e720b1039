// The two linked-in drivers, opened once a test process with fixed options: two host devices, two simulated ones of
// 64 MiB each.
#ifndef FLAGOS_TESTS_DRIVERS_LINKED_DRIVERS_H_
#define FLAGOS_TESTS_DRIVERS_LINKED_DRIVERS_H_

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "drivers/linked_in.h"
#include "drivers/sim/sim_control.h"
#include "flagos/base.h"
#include "flagos/hal.h"

namespace fl {

inline constexpr uint64_t kSimMemory = uint64_t{64} << 20;

inline const char* test_option(const char* name) {
  if (std::strcmp(name, "FLAGOS_DRIVER") == 0) return "host, sim";
  if (std::strcmp(name, "FLAGOS_HOST_DEVICES") == 0) return "2";
  if (std::strcmp(name, "FLAGOS_SIM_MEMORY") == 0) return "64M";
  return nullptr;
}

inline const fl_driver& linked_driver(const char* name) {
  static const fl_driver_host host = {sizeof(fl_driver_host), FL_HAL_VERSION, 0, test_option, fl_log, fl_parallel_for};
  for (const drivers::LinkedIn& candidate : drivers::linked_in()) {
    if (std::strcmp(candidate.name, name) != 0) continue;
    const fl_driver* driver = nullptr;
    char why[256] = "";
    if (candidate.entry(&host, &driver, why, sizeof(why)) != FL_OK) throw std::runtime_error(why);
    return *driver;
  }
  throw std::runtime_error(std::string("not linked in: ") + name);
}

inline const fl_driver& host_driver() {
  static const fl_driver& driver = linked_driver("host");
  return driver;
}
inline const fl_driver& sim_driver() {
  static const fl_driver& driver = linked_driver("sim");
  return driver;
}

template <typename Group>
const Group& group_of(const fl_driver& driver, const char* name) {
  const void* const group = driver.group(name);
  if (!group) throw std::runtime_error(std::string("no group ") + name);
  return *static_cast<const Group*>(group);
}

inline uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace fl

#define EXPECT_DONE(driver, call) EXPECT_EQ(call, FL_OK) << (driver).last_error()
#define ASSERT_DONE(driver, call) ASSERT_EQ(call, FL_OK) << (driver).last_error()

#endif  // FLAGOS_TESTS_DRIVERS_LINKED_DRIVERS_H_
