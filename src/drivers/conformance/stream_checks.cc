// Streams: order within one, order between two by events, and honesty about what is still running.
#include <thread>

#include "drivers/conformance/held_stream.h"
#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

void default_stream_works(const Subject& subject) {
  const Memory memory(subject, 4096);
  write(subject, memory, noise(4096, 21), 0, nullptr);
  subject.ok(subject.driver.stream_synchronize(subject.device, nullptr), "stream_synchronize of the default stream");
  subject.ok(subject.driver.stream_query(subject.device, nullptr), "stream_query of the default stream, idle");
  expect_same(read(subject, memory, 4096), noise(4096, 21), "a copy on the default stream");
}

void every_priority_is_taken(const Subject& subject) {
  for (const int32_t priority : {-100, -1, 0, 1, 100}) {
    const Stream stream(subject, priority);
    const Memory memory(subject, 64);
    write(subject, memory, noise(64, 22), 0, stream);
    expect_same(read(subject, memory, 64, 0, stream), noise(64, 22),
                formatted("a copy on a stream of priority %d", priority));
  }
}

void native_handles_differ(const Subject& subject) {
  const Stream first(subject), second(subject);
  void *one = nullptr, *other = nullptr, *standard = nullptr;
  subject.ok(subject.driver.stream_native(subject.device, first, &one), "stream_native");
  subject.ok(subject.driver.stream_native(subject.device, second, &other), "stream_native");
  subject.ok(subject.driver.stream_native(subject.device, nullptr, &standard), "stream_native of the default stream");
  expect(one != other && one != standard && other != standard, "two streams have one native handle");
}

// 300 steps that each need the one before: a value wanders through two blocks and is changed on the way.
void work_in_one_stream_runs_in_order(const Subject& subject) {
  constexpr uint64_t kCount = 1 << 14;
  const Stream stream(subject);
  const Memory first(subject, kCount * 4), second(subject, kCount * 4);
  for (uint32_t step = 0; step < 100; ++step) {
    subject.ok(subject.driver.fill(subject.device, stream, first.address(), &step, 4, kCount), "fill");
    subject.ok(
        subject.driver.copy(subject.device, stream, FL_COPY_ON_DEVICE, second.address(), first.address(), kCount * 4),
        "copy");
    const uint32_t wrong = ~step;
    subject.ok(subject.driver.fill(subject.device, stream, first.address(), &wrong, 4, kCount), "fill");
  }
  const std::vector<char> got = read(subject, second, kCount * 4, 0, stream);
  for (uint64_t i = 0; i < kCount; ++i) {
    uint32_t value = 0;
    std::memcpy(&value, got.data() + 4 * i, 4);
    expect(value == 99,
           formatted("element %u is %u, not 99: the steps did not run in order", static_cast<unsigned>(i), value));
  }
}

void events_order_two_streams(const Subject& subject) {
  constexpr uint64_t kCount = 1 << 12;
  const Stream producer(subject), consumer(subject);
  const Event produced(subject), consumed(subject);
  const Memory shared(subject, kCount * 4), results(subject, 200 * 4);
  for (uint32_t round = 0; round < 200; ++round) {
    subject.ok(subject.driver.stream_wait(subject.device, producer, consumed), "stream_wait");
    subject.ok(subject.driver.fill(subject.device, producer, shared.address(), &round, 4, kCount), "fill");
    subject.ok(subject.driver.event_record(subject.device, produced, producer), "event_record");
    subject.ok(subject.driver.stream_wait(subject.device, consumer, produced), "stream_wait");
    subject.ok(subject.driver.copy(subject.device, consumer, FL_COPY_ON_DEVICE, results.address() + round * 4,
                                   shared.address() + (round % kCount) * 4, 4),
               "copy");
    subject.ok(subject.driver.event_record(subject.device, consumed, consumer), "event_record");
  }
  const std::vector<char> got = read(subject, results, 200 * 4, 0, consumer);
  for (uint32_t round = 0; round < 200; ++round) {
    uint32_t value = 0;
    std::memcpy(&value, got.data() + 4 * round, 4);
    expect(value == round, formatted("round %u saw %u: a wait did not hold", round, value));
  }
}

void destroying_waits_for_the_work(const Subject& subject) {
  constexpr uint64_t kSize = 4 << 20;
  const Memory first(subject, kSize), second(subject, kSize);
  for (uint8_t round = 1; round <= 5; ++round) {
    fl_hal_stream stream = nullptr;
    subject.ok(subject.driver.stream_create(subject.device, 0, &stream), "stream_create");
    subject.ok(subject.driver.fill(subject.device, stream, first.address(), &round, 1, kSize), "fill");
    subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_ON_DEVICE, second.address(), first.address(), kSize),
               "copy");
    subject.ok(subject.driver.stream_destroy(subject.device, stream), "stream_destroy");
    const std::vector<char> got = read(subject, second, kSize);
    expect_same(got, std::vector<char>(kSize, static_cast<char>(round)), "the work of a destroyed stream");
  }
}

void device_synchronize_waits_for_every_stream(const Subject& subject) {
  constexpr uint64_t kSize = 4 << 20;
  const Stream first(subject), second(subject);
  const Memory memory(subject, 3 * kSize);  // a part for each stream
  const uint32_t value = 0x01020304;
  const fl_hal_stream streams[] = {first, second, nullptr};
  for (uint64_t i = 0; i < 3; ++i)
    subject.ok(subject.driver.fill(subject.device, streams[i], memory.address() + i * kSize, &value, 4, kSize / 4),
               "fill");
  subject.ok(subject.driver.device_synchronize(subject.device), "device_synchronize");
  for (fl_hal_stream stream : streams)
    subject.ok(subject.driver.stream_query(subject.device, stream), "stream_query after device_synchronize");
}

void idle_where_streams_are_synchronous(const Subject& subject) {
  if (subject.can(FL_CAP_ASYNC)) throw Skipped("streams are asynchronous (FL_CAP_ASYNC)");
  const Stream stream(subject);
  const Memory memory(subject, 8 << 20);
  const uint32_t value = 0x01020304;
  subject.ok(subject.driver.fill(subject.device, stream, memory.address(), &value, 4, memory.size() / 4), "fill");
  subject.ok(subject.driver.stream_query(subject.device, stream),
             "stream_query right after a fill, without FL_CAP_ASYNC");
}

// While something on the stream still runs: queries say so, and nothing that promises to return at once waits for it.
void a_busy_stream_is_not_ready(const Subject& subject) {
  const Memory memory(subject, 1 << 16);
  const Pinned source(subject, 1 << 16), target(subject, 1 << 16);
  const Event event(subject);
  const std::vector<char> bytes = noise(1 << 16, 23);
  std::memcpy(source.data(), bytes.data(), bytes.size());
  std::memset(target.data(), 0, target.size());
  const Stream other(subject);
  HeldStream held(subject);
  expect(subject.driver.stream_query(subject.device, held) == FL_NOT_READY,
         "stream_query of a busy stream is not FL_NOT_READY");
  subject.ok(subject.driver.copy(subject.device, held, FL_COPY_HOST_TO_DEVICE, memory.address(),
                                 host_address(source.data()), source.size()),
             "copy from pinned memory");
  subject.ok(subject.driver.event_record(subject.device, event, held), "event_record");
  subject.ok(subject.driver.stream_wait(subject.device, other, event), "stream_wait");
  subject.ok(subject.driver.copy(subject.device, other, FL_COPY_DEVICE_TO_HOST, host_address(target.data()),
                                 memory.address(), target.size()),
             "copy to pinned memory");
  expect(subject.driver.event_query(subject.device, event) == FL_NOT_READY,
         "event_query is not FL_NOT_READY before the event");
  expect(subject.driver.stream_query(subject.device, other) == FL_NOT_READY,
         "stream_query is not FL_NOT_READY while the stream waits for an event");
  expect(target.data()[0] == 0 && target.data()[target.size() - 1] == 0, "a copy overtook the event that it waits for");
  held.let_go();
  subject.ok(subject.driver.stream_synchronize(subject.device, other), "stream_synchronize");
  subject.ok(subject.driver.event_query(subject.device, event), "event_query after the event");
  subject.ok(subject.driver.stream_synchronize(subject.device, held), "stream_synchronize");
  subject.ok(subject.driver.stream_query(subject.device, held), "stream_query after stream_synchronize");
  expect_same(std::vector<char>(target.data(), target.data() + target.size()), bytes, "what waited for the event");
}

void streams_do_not_wait_for_each_other(const Subject& subject) {
  const Memory memory(subject, 4096);
  const Stream other(subject);
  HeldStream held(subject);
  write(subject, memory, noise(4096, 24), 0, other);
  expect_same(read(subject, memory, 4096, 0, other), noise(4096, 24), "a copy beside a busy stream");
  subject.ok(subject.driver.stream_query(subject.device, other), "stream_query of an idle stream beside a busy one");
  expect(subject.driver.stream_query(subject.device, held) == FL_NOT_READY, "the held stream is idle");
}

constexpr Check kChecks[] = {
    {"streams/default_stream_works", default_stream_works},
    {"streams/every_priority_is_taken", every_priority_is_taken},
    {"streams/native_handles_differ", native_handles_differ},
    {"streams/work_in_one_stream_runs_in_order", work_in_one_stream_runs_in_order},
    {"streams/events_order_two_streams", events_order_two_streams},
    {"streams/destroying_waits_for_the_work", destroying_waits_for_the_work},
    {"streams/device_synchronize_waits_for_every_stream", device_synchronize_waits_for_every_stream},
    {"streams/idle_where_streams_are_synchronous", idle_where_streams_are_synchronous},
    {"streams/a_busy_stream_is_not_ready", a_busy_stream_is_not_ready},
    {"streams/streams_do_not_wait_for_each_other", streams_do_not_wait_for_each_other},
};

}  // namespace

std::span<const Check> stream_checks() { return kChecks; }

}  // namespace fl::conformance
