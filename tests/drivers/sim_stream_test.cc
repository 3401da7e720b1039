#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "sim_objects.h"

namespace fl {
namespace {

const fl_driver& driver = sim_driver();

// The program's signals are for its own threads, a worker's faults for the handlers of the process.
TEST(SimStream, workers_block_all_signals_but_those_of_their_own_instructions) {
  const SimStream stream;
  int workers = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const uint64_t blocked = std::stoull(line.substr(line.find('\t')), nullptr, 16);
      const auto blocks = [&](int signal) { return (blocked >> (signal - 1) & 1) != 0; };
      // The test's own thread blocks none, threads of a sanitizer may block them all.
      bool own = false;
      for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) own |= blocks(signal);
      workers += !own && blocks(SIGINT) && blocks(SIGCHLD);
    }
  }
  EXPECT_GT(workers, 0);
}

TEST(SimStream, is_not_ready_while_a_gate_is_closed) {
  const SimStream stream;
  const SimKernels kernels;
  const ClosedGate gate;
  EXPECT_EQ(stream.query(), FL_OK);
  kernels.gate(stream, gate.number);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(stream.query(), FL_NOT_READY);
  gate.open();
  stream.synchronize();
  EXPECT_EQ(stream.query(), FL_OK);
}

TEST(SimStream, pinned_copies_return_early_and_pageable_ones_do_not) {
  const SimStream stream, copies;
  const SimKernels kernels;
  const SimMemory memory(4);
  const SimPinned<float> pinned(1);
  const ClosedGate gate;
  *pinned.data = 1;
  kernels.gate(stream, gate.number);
  ASSERT_DONE(driver, driver.copy(0, stream.handle, FL_COPY_HOST_TO_DEVICE, memory.at, address(pinned.data), 4));
  EXPECT_EQ(stream.query(), FL_NOT_READY) << "the copy returned before the stream got there";
  *pinned.data = 2;  // not allowed by the contract; that it is seen shows that the copy had not read it yet
  gate.open();
  float seen = 0;
  ASSERT_DONE(driver, driver.copy(0, stream.handle, FL_COPY_DEVICE_TO_HOST, address(&seen), memory.at, 4));
  EXPECT_EQ(seen, 2) << "a pageable copy to the host has its data when it returns";
}

TEST(SimStream, registered_memory_is_pinned_until_it_is_unregistered) {
  const SimStream stream;
  const SimKernels kernels;
  const SimMemory memory(sizeof(float) * 1024);
  std::vector<float> mine(1024, 3);
  ASSERT_DONE(driver, driver.host_register(mine.data(), mine.size() * sizeof(float)));
  {
    const ClosedGate gate;
    kernels.gate(stream, gate.number);
    ASSERT_DONE(driver,
                driver.copy(0, stream.handle, FL_COPY_HOST_TO_DEVICE, memory.at, address(mine.data() + 10), 400));
    EXPECT_EQ(stream.query(), FL_NOT_READY);
    EXPECT_EQ(driver.host_unregister(mine.data()), FL_INVALID_ARGUMENT) << "a copy in flight uses it";
  }
  stream.synchronize();
  EXPECT_DONE(driver, driver.host_unregister(mine.data()));
}

// 1000 hand-overs between two streams by events, in a ring of 4 slots: the producer may overwrite a slot only when the
// consumer is through with it.
TEST(SimStream, a_thousand_chains_over_two_streams_never_mismatch) {
  constexpr uint64_t kCount = 256, kSlots = 4, kRounds = 1000;
  const SimStream producer, consumer;
  const SimKernels kernels;
  const SimMemory slots(kSlots * kCount * 4), sums(kRounds * 4);
  const SimPinned<float> results(kRounds);
  const SimEvent produced[kSlots], consumed[kSlots];
  const float zero = 0;
  ASSERT_DONE(driver, driver.fill(0, consumer.handle, sums.at, &zero, 4, kRounds));
  for (uint64_t round = 0; round < kRounds; ++round) {
    const uint64_t slot = round % kSlots;
    const fl_addr data = slots.at + slot * kCount * 4;
    consumed[slot].hold(producer);
    kernels.fill(producer, data, kCount, static_cast<float>(round), 3);
    produced[slot].record(producer);
    produced[slot].hold(consumer);
    kernels.axpy(consumer, sums.at + round * 4, data + (round % kCount) * 4, 2, 1);
    consumed[slot].record(consumer);
  }
  ASSERT_DONE(driver,
              driver.copy(0, consumer.handle, FL_COPY_DEVICE_TO_HOST, address(results.data), sums.at, kRounds * 4));
  consumer.synchronize();
  for (uint64_t round = 0; round < kRounds; ++round) ASSERT_EQ(results.data[round], 2.0f * static_cast<float>(round));
  producer.synchronize();
}

// The control for the test above: without the wait the consumer does see the old value.
TEST(SimStream, without_an_event_the_consumer_reads_what_was_there_before) {
  const SimStream producer, consumer;
  const SimKernels kernels;
  const SimMemory data(4), sum(4);
  const float before = 5, zero = 0;
  const ClosedGate gate;
  ASSERT_DONE(driver, driver.fill(0, consumer.handle, data.at, &before, 4, 1));
  ASSERT_DONE(driver, driver.fill(0, consumer.handle, sum.at, &zero, 4, 1));
  consumer.synchronize();
  kernels.gate(producer, gate.number);
  kernels.fill(producer, data.at, 1, 9);
  kernels.axpy(consumer, sum.at, data.at, 1, 1);
  float seen = 0;
  ASSERT_DONE(driver, driver.copy(0, consumer.handle, FL_COPY_DEVICE_TO_HOST, address(&seen), sum.at, 4));
  EXPECT_EQ(seen, 5);
  gate.open();
  producer.synchronize();
}

TEST(SimStream, a_gated_copy_holds_what_comes_behind_it) {
  const SimStream stream;
  const SimMemory memory(4);
  const SimPinned<float> pinned(1);
  const ClosedGate gate;
  *pinned.data = 4;
  ASSERT_DONE(driver, sim_control().gate_copies(0, 1, gate.number));
  ASSERT_DONE(driver, driver.copy(0, stream.handle, FL_COPY_HOST_TO_DEVICE, memory.at, address(pinned.data), 4));
  ASSERT_DONE(driver, sim_control().gate_copies(0, 0, 0));
  const SimEvent behind;
  behind.record(stream);
  EXPECT_EQ(driver.event_query(0, behind.handle), FL_NOT_READY);
  gate.open();
  EXPECT_DONE(driver, driver.event_synchronize(0, behind.handle));
}

TEST(SimStream, destroying_waits_for_work_that_a_gate_holds) {
  const SimKernels kernels;
  const SimMemory memory(4);
  const ClosedGate gate;
  auto stream = std::make_unique<SimStream>();
  kernels.gate(*stream, gate.number);
  kernels.fill(*stream, memory.at, 1, 8);
  std::thread destroyer([&] { stream.reset(); });
  gate.open();
  destroyer.join();
  float seen = 0;
  ASSERT_DONE(driver, driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, address(&seen), memory.at, 4));
  EXPECT_EQ(seen, 8);
}

TEST(SimStream, elapsed_is_not_ready_before_both_points) {
  const SimStream stream;
  const SimKernels kernels;
  const SimEvent start, stop;
  double milliseconds = -1;
  {
    const ClosedGate gate;
    start.record(stream);
    kernels.gate(stream, gate.number);
    stop.record(stream);
    EXPECT_EQ(driver.event_elapsed(0, start.handle, stop.handle, &milliseconds), FL_NOT_READY);
  }
  stream.synchronize();
  EXPECT_DONE(driver, driver.event_elapsed(0, start.handle, stop.handle, &milliseconds));
  EXPECT_GE(milliseconds, 0);
}

TEST(SimStream, signals_cross_devices_and_hosts) {
  const auto& signal = group_of<fl_hal_signal1>(driver, "signal/1");
  const SimStream here(0), there(1);
  const SimPinned<uint64_t> words(2);
  words.data[0] = words.data[1] = 0;
  ASSERT_DONE(driver, signal.wait(0, here.handle, &words.data[0], 1));
  ASSERT_DONE(driver, signal.write(0, here.handle, &words.data[1], 1));
  ASSERT_DONE(driver, signal.wait(1, there.handle, &words.data[1], 1));
  EXPECT_EQ(there.query(), FL_NOT_READY);
  std::atomic_ref(words.data[0]).store(1, std::memory_order_release);
  there.synchronize();
  here.synchronize();
  uint64_t mine = 0;
  EXPECT_EQ(signal.wait(0, here.handle, &mine, 0), FL_INVALID_ARGUMENT) << "not pinned";
}

}  // namespace
}  // namespace fl
