// FL_CAP_FORK_SAFE: the host's devices go on working in a forked child, also when other threads of the parent were in
// the middle of calls.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "linked_drivers.h"

namespace fl {
namespace {

const fl_driver& driver = host_driver();

// In the child: the number of the first step that failed, 0 when all went well. No gtest here.
int work_in_child(fl_addr inherited) {
  fl_addr block = 0;
  fl_hal_stream stream = nullptr;
  fl_hal_event event = nullptr;
  const uint64_t value = 0x1122334455667788;
  if (*reinterpret_cast<const uint64_t*>(inherited) != 77) return 1;
  if (driver.allocate(0, 1 << 16, &block) != FL_OK) return 2;
  if (driver.stream_create(0, 0, &stream) != FL_OK) return 3;
  if (driver.fill(0, stream, block, &value, 8, 1 << 13) != FL_OK) return 4;
  if (driver.event_create(0, 1, &event) != FL_OK || driver.event_record(0, event, stream) != FL_OK) return 5;
  if (reinterpret_cast<const uint64_t*>(block)[(1 << 13) - 1] != value) return 6;
  if (driver.event_destroy(0, event) != FL_OK || driver.stream_destroy(0, stream) != FL_OK) return 7;
  if (driver.release(0, block) != FL_OK || driver.release(0, inherited) != FL_OK) return 8;
  return 0;
}

TEST(HostFork, the_child_goes_on_working) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP()
      << "the sanitizers' own allocators (GCC 12) leave their locks taken in a child forked from a busy process";
#endif
  fl_addr inherited = 0;
  const uint64_t value = 77;
  ASSERT_DONE(driver, driver.allocate(0, 64, &inherited));
  ASSERT_DONE(driver, driver.fill(0, nullptr, inherited, &value, 8, 8));

  const std::jthread busy([](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      fl_addr block = 0;
      fl_hal_event event = nullptr;
      if (driver.allocate(0, 100, &block) == FL_OK) driver.release(0, block);
      if (driver.event_create(0, 0, &event) == FL_OK) driver.event_destroy(0, event);
    }
  });
  for (int round = 0; round < 50; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(120);  // a lock that nobody will give back ends the child
      _exit(work_in_child(inherited));
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "round " << round;
    ASSERT_EQ(WEXITSTATUS(status), 0) << "step that failed in round " << round;
  }
  EXPECT_DONE(driver, driver.release(0, inherited));
}

}  // namespace
}  // namespace fl
