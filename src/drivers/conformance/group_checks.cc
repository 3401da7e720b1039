// The small optional groups. A driver without one of them is not worse: the check is skipped.
#include <atomic>

#include "drivers/conformance/held_stream.h"
#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

void host_functions_run_in_order(const Subject& subject) {
  const auto& hostfunc = subject.need_group<fl_hal_hostfunc1>("hostfunc/1");
  expect(hostfunc.struct_size >= sizeof(fl_hal_hostfunc1), "hostfunc/1: struct_size is too small");
  struct Step {
    std::vector<int>* order;
    int number;
  };
  std::vector<int> order;
  std::vector<Step> steps;
  for (int i = 0; i < 50; ++i) steps.push_back({&order, i});
  {
    const Stream stream(subject);
    for (Step& step : steps)
      subject.ok(hostfunc.enqueue(
                     subject.device, stream,
                     [](void* context) {
                       auto* const of = static_cast<Step*>(context);
                       of->order->push_back(of->number);
                     },
                     &step),
                 "hostfunc");
    subject.ok(subject.driver.stream_synchronize(subject.device, stream), "stream_synchronize");
  }
  expect(order.size() == 50, formatted("%zu of 50 host functions ran", order.size()));
  for (int i = 0; i < 50; ++i) expect(order[static_cast<size_t>(i)] == i, "host functions ran out of order");
}

void signals_hold_and_release(const Subject& subject) {
  const auto& signal = subject.need_group<fl_hal_signal1>("signal/1");
  expect(signal.struct_size >= sizeof(fl_hal_signal1), "signal/1: struct_size is too small");
  const Pinned word(subject, sizeof(uint64_t));
  auto* const where = reinterpret_cast<uint64_t*>(word.data());
  std::atomic_ref<uint64_t>(*where).store(4, std::memory_order_release);
  const Stream waiting(subject), writing(subject);
  subject.ok(signal.wait(subject.device, waiting, where, 3), "signal wait for a value that was passed");
  subject.ok(subject.driver.stream_synchronize(subject.device, waiting), "stream_synchronize");
  subject.ok(signal.wait(subject.device, waiting, where, 5), "signal wait");
  if (subject.can(FL_CAP_ASYNC))
    expect(subject.driver.stream_query(subject.device, waiting) == FL_NOT_READY,
           "a signal wait did not hold its stream");
  subject.ok(signal.write(subject.device, writing, where, 5), "signal write");
  subject.ok(subject.driver.stream_synchronize(subject.device, waiting), "stream_synchronize");
  subject.ok(signal.wait(subject.device, waiting, where, 6), "signal wait");
  std::atomic_ref<uint64_t>(*where).store(6, std::memory_order_release);  // the host's own store counts as well
  subject.ok(subject.driver.stream_synchronize(subject.device, waiting), "stream_synchronize");
}

void peer_copies_arrive(const Subject& subject) {
  const auto& peer = subject.need_group<fl_hal_peer1>("peer/1");
  expect(peer.struct_size >= sizeof(fl_hal_peer1), "peer/1: struct_size is too small");
  if (subject.devices < 2) throw Skipped("the driver has one device");
  const Subject other{subject.driver, subject.devices, (subject.device + 1) % subject.devices};
  for (const uint64_t size : {1, 4097, 3 << 20}) {
    const Memory here(subject, size), there(other, size), back(subject, size);
    const std::vector<char> bytes = noise(size, 41);
    write(subject, here, bytes);
    const Stream stream(subject);
    subject.ok(peer.copy(subject.device, stream, other.device, there.address(), subject.device, here.address(), size),
               "peer copy to the other device");
    subject.ok(peer.copy(subject.device, stream, subject.device, back.address(), other.device, there.address(), size),
               "peer copy from the other device");
    subject.ok(subject.driver.stream_synchronize(subject.device, stream), "stream_synchronize");
    expect_same(read(other, there, size), bytes, "on the other device");
    expect_same(read(subject, back, size), bytes, "back again");
  }
  subject.refused(peer.copy(subject.device, nullptr, subject.devices, 64, subject.device, 64, 8), FL_INVALID_ARGUMENT,
                  "peer copy to a device that is not there");
}

constexpr Check kChecks[] = {
    {"groups/host_functions_run_in_order", host_functions_run_in_order},
    {"groups/signals_hold_and_release", signals_hold_and_release},
    {"groups/peer_copies_arrive", peer_copies_arrive},
};

}  // namespace

std::span<const Check> group_checks() { return kChecks; }

}  // namespace fl::conformance
