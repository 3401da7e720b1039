// "sim/1": see sim_control.h.
#include <cstring>

#include "base/error.h"
#include "drivers/sim/driver.h"
#include "drivers/sim/sim_control.h"

namespace fl::drivers::sim {
namespace {

void set_gate(uint64_t gate, bool open) {
  refuse_forked_child();
  Lock lock(engine().mutex);
  if (open)
    engine().open_gates.insert(gate);
  else
    engine().open_gates.erase(gate);
  engine().changed.notify_all();
}

void lose_device(int32_t index) {
  Call call(index, Call::Purpose::kCleaning);
  call.device().lost = true;
  engine().changed.notify_all();
}

void restore_device(int32_t index) {
  Call call(index, Call::Purpose::kCleaning);
  Device& device = call.device();
  const auto drain = [&](const std::shared_ptr<Stream> stream) { stream->wait(call.lock(), stream->last_ticket()); };
  drain(device.default_stream);
  for (const auto& stream : std::vector(device.streams)) drain(stream);
  for (const auto& [begin, block] : device.blocks.all()) std::memset(seen_by_worker<char>(begin), 0xFB, block->taken);
  device.lost = false;
}

void gate_copies(int32_t index, bool enabled, uint64_t gate) {
  Call call(index);
  call.device().copy_gate.reset();
  if (enabled) call.device().copy_gate = gate;
}

}  // namespace

const void* control_group() {
  static const fl_sim1 group = {
      .struct_size = sizeof(fl_sim1),
      .distance = [](uint64_t* bytes) { return guarded([&] { *bytes = engine().distance(); }); },
      .open_gate = [](uint64_t gate) { return guarded([&] { set_gate(gate, true); }); },
      .close_gate = [](uint64_t gate) { return guarded([&] { set_gate(gate, false); }); },
      .fail_allocations =
          [](int32_t device, uint32_t count) {
            return guarded([&] { Call(device).device().failing_allocations = count; });
          },
      .lose_device = [](int32_t device) { return guarded([&] { lose_device(device); }); },
      .restore_device = [](int32_t device) { return guarded([&] { restore_device(device); }); },
      .gate_copies = [](int32_t device, int32_t enabled,
                        uint64_t gate) { return guarded([&] { gate_copies(device, enabled != 0, gate); }); },
      .delay_copies =
          [](uint32_t microseconds) {
            return guarded([&] {
              Lock lock(engine().mutex);
              engine().settings.copy_delay = microseconds;
            });
          },
  };
  return &group;
}

}  // namespace fl::drivers::sim
