// Any thread may call any function at any time, with any device.
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

// Runs the body on 8 threads and throws what the first of them threw.
void on_threads(const std::function<void(uint32_t thread)>& body) {
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 8; ++thread)
    threads.emplace_back([&, thread] {
      try {
        body(thread);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

void threads_with_streams_of_their_own(const Subject& given) {
  on_threads([&](uint32_t thread) {
    const Subject subject{given.driver, given.devices, static_cast<int32_t>(thread) % given.devices};
    for (uint32_t round = 0; round < 20; ++round) {
      const uint64_t size = 1000 + 997 * thread + 13 * round;
      const Stream stream(subject);
      const Event event(subject);
      const Memory first(subject, size), second(subject, size);
      const std::vector<char> bytes = noise(size, 1000 * thread + round);
      write(subject, first, bytes, 0, stream);
      subject.ok(
          subject.driver.copy(subject.device, stream, FL_COPY_ON_DEVICE, second.address(), first.address(), size),
          "copy");
      subject.ok(subject.driver.event_record(subject.device, event, stream), "event_record");
      subject.ok(subject.driver.event_synchronize(subject.device, event), "event_synchronize");
      expect_same(read(subject, second, size, 0, stream), bytes, formatted("round %u of thread %u", round, thread));
    }
  });
}

void threads_that_share_a_stream(const Subject& subject) {
  const Stream stream(subject);
  const Memory memory(subject, 8 * 4096);
  on_threads([&](uint32_t thread) {
    for (uint32_t round = 0; round < 50; ++round) {
      const std::vector<char> bytes = noise(4096, 1000 * thread + round);
      write(subject, memory, bytes, thread * 4096, stream);
      expect_same(read(subject, memory, 4096, thread * 4096, stream), bytes,
                  formatted("round %u of thread %u", round, thread));
    }
  });
}

void one_synchronizes_while_others_work(const Subject& subject) {
  std::atomic<bool> done{false};
  std::thread waiter([&] {
    while (!done) subject.driver.device_synchronize(subject.device);
  });
  std::string problem;
  try {
    on_threads([&](uint32_t thread) {
      const Stream stream(subject);
      const Memory memory(subject, 4096);
      for (uint32_t round = 0; round < 20; ++round) write(subject, memory, noise(4096, thread + round), 0, stream);
    });
  } catch (const std::exception& error) {
    problem = error.what();
  }
  done = true;
  waiter.join();
  expect(problem.empty(), problem);
}

constexpr Check kChecks[] = {
    {"threads/with_streams_of_their_own", threads_with_streams_of_their_own},
    {"threads/that_share_a_stream", threads_that_share_a_stream},
    {"threads/one_synchronizes_while_others_work", one_synchronizes_while_others_work},
};

}  // namespace

std::span<const Check> thread_checks() { return kChecks; }

}  // namespace fl::conformance
