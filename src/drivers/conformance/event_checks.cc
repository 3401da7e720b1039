// Events: before the first record, recorded again, waited for, destroyed while pending, and their time.
#include "drivers/conformance/held_stream.h"
#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

void one_never_recorded_is_complete(const Subject& subject) {
  const Event event(subject);
  const Stream stream(subject);
  subject.ok(subject.driver.event_query(subject.device, event), "event_query of an event that was never recorded");
  subject.ok(subject.driver.event_synchronize(subject.device, event), "event_synchronize of such an event");
  subject.ok(subject.driver.stream_wait(subject.device, stream, event), "stream_wait for such an event");
  subject.ok(subject.driver.stream_synchronize(subject.device, stream), "stream_synchronize after that");
}

void synchronize_waits_for_the_work(const Subject& subject) {
  const Event event(subject);
  const Stream stream(subject);
  const Memory memory(subject, 4 << 20);
  const Pinned target(subject, 4 << 20);
  for (uint8_t round = 1; round <= 5; ++round) {
    subject.ok(subject.driver.fill(subject.device, stream, memory.address(), &round, 1, memory.size()), "fill");
    subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_DEVICE_TO_HOST, host_address(target.data()),
                                   memory.address(), memory.size()),
               "copy");
    subject.ok(subject.driver.event_record(subject.device, event, stream), "event_record");
    subject.ok(subject.driver.event_synchronize(subject.device, event), "event_synchronize");
    subject.ok(subject.driver.event_query(subject.device, event), "event_query after event_synchronize");
    expect_same(std::vector<char>(target.data(), target.data() + target.size()),
                std::vector<char>(target.size(), char(round)), "what was copied before the event");
  }
}

void recording_again_replaces_the_point(const Subject& subject) {
  const Event event(subject);
  const Stream idle(subject);
  HeldStream held(subject);
  subject.ok(subject.driver.event_record(subject.device, event, held), "event_record");
  expect(subject.driver.event_query(subject.device, event) == FL_NOT_READY, "an event on a busy stream is complete");
  subject.ok(subject.driver.event_record(subject.device, event, idle), "event_record for the second time");
  subject.ok(subject.driver.event_synchronize(subject.device, event), "event_synchronize of the second point");
  subject.ok(subject.driver.event_query(subject.device, event), "event_query of the second point");
}

void a_wait_keeps_the_point_it_saw(const Subject& subject) {
  const Event event(subject);
  const Stream waiting(subject), idle(subject);
  HeldStream held(subject);
  subject.ok(subject.driver.event_record(subject.device, event, held), "event_record");
  subject.ok(subject.driver.stream_wait(subject.device, waiting, event), "stream_wait");
  subject.ok(subject.driver.event_record(subject.device, event, idle), "event_record for the second time");
  subject.ok(subject.driver.event_synchronize(subject.device, event), "event_synchronize of the second point");
  expect(subject.driver.stream_query(subject.device, waiting) == FL_NOT_READY,
         "a wait that was enqueued went on when the event was recorded elsewhere");
  held.let_go();
  subject.ok(subject.driver.stream_synchronize(subject.device, waiting), "stream_synchronize");
}

void may_be_destroyed_while_pending(const Subject& subject) {
  const Stream waiting(subject);
  HeldStream held(subject);
  fl_hal_event event = nullptr;
  subject.ok(subject.driver.event_create(subject.device, 0, &event), "event_create");
  subject.ok(subject.driver.event_record(subject.device, event, held), "event_record");
  subject.ok(subject.driver.stream_wait(subject.device, waiting, event), "stream_wait");
  subject.ok(subject.driver.event_destroy(subject.device, event), "event_destroy while it is pending");
  expect(subject.driver.stream_query(subject.device, waiting) == FL_NOT_READY, "the wait ended with the event");
  held.let_go();
  subject.ok(subject.driver.stream_synchronize(subject.device, waiting), "stream_synchronize");
}

void time_passes_forward(const Subject& subject) {
  if (!subject.can(FL_CAP_EVENT_TIMING)) throw Skipped("events have no time (no FL_CAP_EVENT_TIMING)");
  const Event start(subject, true), middle(subject, true), stop(subject, true);
  const Stream stream(subject);
  const Memory memory(subject, 4 << 20);
  const uint32_t value = 7;
  for (const Event* event : {&start, &middle, &stop}) {
    subject.ok(subject.driver.event_record(subject.device, *event, stream), "event_record");
    subject.ok(subject.driver.fill(subject.device, stream, memory.address(), &value, 4, memory.size() / 4), "fill");
  }
  subject.ok(subject.driver.stream_synchronize(subject.device, stream), "stream_synchronize");
  double first = -1, second = -1, both = -1, back = 1;
  subject.ok(subject.driver.event_elapsed(subject.device, start, middle, &first), "event_elapsed");
  subject.ok(subject.driver.event_elapsed(subject.device, middle, stop, &second), "event_elapsed");
  subject.ok(subject.driver.event_elapsed(subject.device, start, stop, &both), "event_elapsed");
  subject.ok(subject.driver.event_elapsed(subject.device, stop, start, &back), "event_elapsed");
  expect(first >= 0 && second >= 0, formatted("time ran backwards: %g ms, %g ms", first, second));
  const double tolerance = 0.01 + 0.001 * both;  // vendors' clocks tick every microsecond or so
  expect(both > first + second - tolerance && both < first + second + tolerance,
         formatted("%g ms and %g ms make %g ms", first, second, both));
  expect(back <= 0, formatted("from the later event to the earlier one %g ms passed", back));
}

void untimed_events_have_no_time(const Subject& subject) {
  const Event timed(subject, subject.can(FL_CAP_EVENT_TIMING)), untimed(subject, false);
  subject.ok(subject.driver.event_record(subject.device, timed, nullptr), "event_record");
  subject.ok(subject.driver.event_record(subject.device, untimed, nullptr), "event_record");
  subject.ok(subject.driver.device_synchronize(subject.device), "device_synchronize");
  double milliseconds = 0;
  subject.refused(subject.driver.event_elapsed(subject.device, timed, untimed, &milliseconds), FL_OK,
                  "event_elapsed with an event that was created without timing");
}

void many_events_live_at_once(const Subject& subject) {
  std::vector<fl_hal_event> events(2'000);
  for (fl_hal_event& event : events) {
    subject.ok(subject.driver.event_create(subject.device, 0, &event), "event_create");
    subject.ok(subject.driver.event_record(subject.device, event, nullptr), "event_record");
  }
  subject.ok(subject.driver.device_synchronize(subject.device), "device_synchronize");
  for (fl_hal_event event : events) {
    subject.ok(subject.driver.event_query(subject.device, event), "event_query");
    subject.ok(subject.driver.event_destroy(subject.device, event), "event_destroy");
  }
}

constexpr Check kChecks[] = {
    {"events/one_never_recorded_is_complete", one_never_recorded_is_complete},
    {"events/synchronize_waits_for_the_work", synchronize_waits_for_the_work},
    {"events/recording_again_replaces_the_point", recording_again_replaces_the_point},
    {"events/a_wait_keeps_the_point_it_saw", a_wait_keeps_the_point_it_saw},
    {"events/may_be_destroyed_while_pending", may_be_destroyed_while_pending},
    {"events/time_passes_forward", time_passes_forward},
    {"events/untimed_events_have_no_time", untimed_events_have_no_time},
    {"events/many_events_live_at_once", many_events_live_at_once},
};

}  // namespace

std::span<const Check> event_checks() { return kChecks; }

}  // namespace fl::conformance
