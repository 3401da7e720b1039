// The small optional groups: host functions, signals, copies between devices.
#include <atomic>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "drivers/sim/driver.h"

namespace fl::drivers::sim {
namespace {

void enqueue_host_function(int32_t index, fl_hal_stream stream, void (*function)(void*), void* context) {
  Call call(index);
  if (!function) fail(FL_INVALID_ARGUMENT, "hostfunc: no function was given.");
  stream_of(call.device(), stream).submit({.work = [function, context] { function(context); }});
}

std::shared_ptr<Block> signal_block(const uint64_t* where) {
  const auto address = reinterpret_cast<uint64_t>(where);
  std::shared_ptr<Block> block = engine().pinned.find(address, sizeof(uint64_t));
  if (!block || address % sizeof(uint64_t) != 0)
    fail(FL_INVALID_ARGUMENT, "signal: %p is not 8 aligned bytes of pinned host memory.",
         static_cast<const void*>(where));
  return block;
}

void enqueue_signal_wait(int32_t index, fl_hal_stream stream, const uint64_t* where, uint64_t value) {
  Call call(index);
  Command command;
  // Any thread, or another device, may write the value without telling: look again and again, ever less eagerly.
  command.work = [where, value, &lost = call.device().lost] {
    std::atomic_ref<uint64_t> signal(*const_cast<uint64_t*>(where));
    for (uint32_t looks = 0; signal.load(std::memory_order_acquire) < value && !lost; ++looks) {
      if (looks < 64)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  };
  command.uses.push_back(signal_block(where));
  stream_of(call.device(), stream).submit(std::move(command));
}

void enqueue_signal_write(int32_t index, fl_hal_stream stream, uint64_t* where, uint64_t value) {
  Call call(index);
  Command command;
  command.work = [where, value] { std::atomic_ref(*where).store(value, std::memory_order_release); };
  command.uses.push_back(signal_block(where));
  stream_of(call.device(), stream).submit(std::move(command));
}

}  // namespace

const fl_hal_hostfunc1* hostfunc_group() {
  static const fl_hal_hostfunc1 group = {
      .struct_size = sizeof(fl_hal_hostfunc1),
      .enqueue =
          [](int32_t device, fl_hal_stream stream, void (*function)(void*), void* context) {
            return guarded([&] { enqueue_host_function(device, stream, function, context); });
          },
  };
  return &group;
}

const fl_hal_signal1* signal_group() {
  static const fl_hal_signal1 group = {
      .struct_size = sizeof(fl_hal_signal1),
      .wait = [](int32_t device, fl_hal_stream stream, const uint64_t* where,
                 uint64_t value) { return guarded([&] { enqueue_signal_wait(device, stream, where, value); }); },
      .write = [](int32_t device, fl_hal_stream stream, uint64_t* where,
                  uint64_t value) { return guarded([&] { enqueue_signal_write(device, stream, where, value); }); },
  };
  return &group;
}

const fl_hal_peer1* peer_group() {
  static const fl_hal_peer1 group = {
      .struct_size = sizeof(fl_hal_peer1),
      .copy =
          [](int32_t device, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device, fl_addr src,
             uint64_t size) {
            return guarded([&] { copy_peer(device, stream, dst_device, dst, src_device, src, size); });
          },
  };
  return &group;
}

}  // namespace fl::drivers::sim
