// The simulated accelerator is not fork safe, and says so at every call instead of hanging.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim_objects.h"

namespace fl {
namespace {

const fl_driver& driver = sim_driver();

// The number of the first call that did not give the error; 0 when all did.
int calls_in_child(const SimMemory& memory, const SimStream& stream, const SimEvent& event) {
  const auto refused = [](fl_status status) {
    return status == FL_UNSUPPORTED && std::string(driver.last_error()).find("forked child") != std::string::npos;
  };
  char bytes[64];
  fl_addr block = 0;
  void* pinned = nullptr;
  if (!refused(driver.allocate(0, 64, &block))) return 1;
  if (!refused(driver.release(0, memory.at))) return 2;
  if (!refused(driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, address(bytes), memory.at, 64))) return 3;
  if (!refused(driver.stream_synchronize(0, stream.handle))) return 4;
  if (!refused(driver.event_query(0, event.handle))) return 5;
  if (!refused(driver.host_allocate(64, &pinned))) return 6;
  if (!refused(driver.device_synchronize(0))) return 7;
  if (!refused(sim_control().open_gate(1))) return 8;
  return 0;
}

TEST(SimFork, the_child_gets_one_clear_error_at_every_call) {
  const SimMemory memory(64);
  const SimStream stream;
  const SimEvent event;
  const SimKernels kernels;
  const ClosedGate gate;
  kernels.gate(stream, gate.number);  // a worker is in the middle of something
  event.record(stream);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(calls_in_child(memory, stream, event));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the call that was not refused";
  EXPECT_EQ(stream.query(), FL_NOT_READY) << "the parent's stream is as it was";
  gate.open();
  stream.synchronize();
}

}  // namespace
}  // namespace fl
