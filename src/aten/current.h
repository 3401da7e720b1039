// The devices as the plugin sees them, and the calling thread's current device and streams. The core keeps neither.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include "flagos/runtime.h"

namespace flagos {

constexpr auto kFlagos = c10::DeviceType::PrivateUse1;
constexpr int kMaxDevices = 64;

// What calls ask about a device, read once when the devices are found.
struct DeviceFacts {
  bool host_access = false;   // the CPU's kernels can work on its memory in place
  bool asynchronous = false;  // streams must be drained before the host reads
  bool event_timing = false;
  int32_t driver = 0;  // routing's driver index
  const char* driver_name = "";
};

// Number of devices; throws what finding the drivers threw. The first call finds them.
c10::DeviceIndex device_count();
// The same, but 0 instead of an exception.
c10::DeviceIndex device_count_or_zero() noexcept;
// Whether some call has found the devices already; never finds them.
bool devices_found() noexcept;
const DeviceFacts& device_facts(c10::DeviceIndex device);
// True when every device has host access and they belong to one driver: calls need not look which device they are on.
bool single_host_driver();

c10::DeviceIndex current_device() noexcept;
// `device` must exist (IndexError-like ValueError otherwise).
void set_current_device(c10::DeviceIndex device);
void set_current_device_unchecked(c10::DeviceIndex device) noexcept;
// -1 means the current device; anything else must exist.
c10::DeviceIndex resolve_device(c10::DeviceIndex device);

// The thread's current stream on `device`, which must exist.
fl_stream* current_stream(c10::DeviceIndex device);
void set_current_stream(fl_stream* stream);

c10::Stream to_torch(const fl_stream* stream);
// The stream that PyTorch names; throws ValueError when no such stream was ever given out.
fl_stream* from_torch(const c10::Stream& stream);

}  // namespace flagos
