// Copies and fills. Those between device addresses and those with pinned host memory are left to the stream; with any
// other host memory the call waits, as a GPU's driver does.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "drivers/sim/driver.h"

namespace fl::drivers::sim {
namespace {

// One end of a copy: where the worker finds it, and what must stay alive meanwhile.
struct End {
  uint64_t address;
  std::shared_ptr<Block> block;  // null: host memory that is not pinned
};

End device_end(const Device& device, fl_addr address, uint64_t size, const char* what) {
  return {address + engine().distance(), block_of(device, address, size, what)};
}

End host_end(uint64_t address, uint64_t size, const char* what) {
  if (address == 0 || address + size < address)
    fail(FL_INVALID_ARGUMENT, "%s: %llu bytes at host address 0x%llx are no range of memory.", what,
         static_cast<unsigned long long>(size), static_cast<unsigned long long>(address));
  for (const auto& device : engine().devices) {
    const uint64_t offset = address - device->window;
    if (offset < engine().settings.memory)
      fail(FL_INVALID_ARGUMENT,
           "%s: 0x%llx is an address of device %d, not of the host; choose the copy's kind by its ends.", what,
           static_cast<unsigned long long>(address), device->index);
  }
  return {address, engine().pinned.find(address, size)};
}

// Throws when the device is lost on the way. With the monitor.
void submit_copy(Call& call, Stream& stream, const End& dst, const End& src, uint64_t size) {
  Command command;
  if (call.device().copy_gate)
    command.ready = [gate = *call.device().copy_gate] { return engine().open_gates.contains(gate); };
  command.work = [to = dst.address, from = src.address, size, delay = engine().settings.copy_delay] {
    if (delay > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay));
    std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), size);
  };
  for (const End* end : {&dst, &src})
    if (end->block) command.uses.push_back(end->block);
  const uint64_t ticket = stream.submit(std::move(command));
  if (dst.block && src.block) return;
  stream.wait(call.lock(), ticket);
  call.check_alive();
}

}  // namespace

void copy(int32_t index, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size) {
  Call call(index);
  Stream& on = stream_of(call.device(), stream);
  if (kind < FL_COPY_HOST_TO_DEVICE || kind > FL_COPY_ON_DEVICE)
    fail(FL_INVALID_ARGUMENT, "copy: %d is no fl_copy_kind.", static_cast<int>(kind));
  if (size == 0) return;
  const End to = kind == FL_COPY_DEVICE_TO_HOST ? host_end(dst, size, "copy: destination")
                                                : device_end(call.device(), dst, size, "copy: destination");
  const End from = kind == FL_COPY_HOST_TO_DEVICE ? host_end(src, size, "copy: source")
                                                  : device_end(call.device(), src, size, "copy: source");
  submit_copy(call, on, to, from, size);
}

void copy_peer(int32_t index, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device, fl_addr src,
               uint64_t size) {
  check_device_index(dst_device);
  check_device_index(src_device);
  Call call(index);
  Stream& on = stream_of(call.device(), stream);
  const auto side = [](int32_t device) -> const Device& {
    const Device& found = *engine().devices[static_cast<size_t>(device)];
    if (found.lost) fail(FL_DEVICE_LOST, "peer copy: device %d of the simulated accelerator was lost.", device);
    return found;
  };
  if (size == 0) return;
  submit_copy(call, on, device_end(side(dst_device), dst, size, "peer copy: destination"),
              device_end(side(src_device), src, size, "peer copy: source"), size);
}

void fill(int32_t index, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
          uint64_t count) {
  Call call(index);
  Stream& on = stream_of(call.device(), stream);
  if (!pattern || pattern_size == 0 || pattern_size > 16 || (pattern_size & (pattern_size - 1)) != 0)
    fail(FL_INVALID_ARGUMENT, "fill: a pattern of %u bytes; 1, 2, 4, 8 and 16 are possible.", pattern_size);
  if (count == 0) return;
  uint64_t size = 0;
  if (__builtin_mul_overflow(count, uint64_t{pattern_size}, &size)) size = UINT64_MAX;
  const End to = device_end(call.device(), dst, size, "fill");
  std::array<char, 16> bytes{};
  std::memcpy(bytes.data(), pattern, pattern_size);
  Command command;
  command.work = [to = reinterpret_cast<char*>(to.address), bytes, pattern_size, size] {
    // The pattern once, then what is there doubled until it is all of it: few calls, whatever the pattern's size.
    std::memcpy(to, bytes.data(), pattern_size);
    for (uint64_t done = pattern_size; done < size; done += std::min(done, size - done))
      std::memcpy(to + done, to, std::min(done, size - done));
  };
  command.uses.push_back(to.block);
  on.submit(std::move(command));
}

}  // namespace fl::drivers::sim
