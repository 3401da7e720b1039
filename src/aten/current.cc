#include "aten/current.h"

#include <c10/util/Exception.h>

#include <array>
#include <atomic>
#include <mutex>

#include "aten/errors.h"
#include "flagos/routing.h"

namespace flagos {
namespace {

struct Devices {
  c10::DeviceIndex count = 0;
  bool single_host_driver = false;
  std::array<DeviceFacts, kMaxDevices> facts;
};

Devices find_devices() {
  Devices found;
  int32_t count = 0;
  check(fl_device_count(&count));
  TORCH_CHECK(count <= kMaxDevices, "flagos: this build serves ", kMaxDevices, " devices, the drivers offer ", count,
              "; choose among the drivers with FLAGOS_DRIVER");
  found.count = static_cast<c10::DeviceIndex>(count);
  found.single_host_driver = count > 0;
  for (int32_t i = 0; i < count; ++i) {
    fl_device_info info{};
    info.struct_size = sizeof info;
    check(fl_device_get_info(i, &info));
    auto& facts = found.facts[static_cast<size_t>(i)];
    facts.host_access = info.capabilities & FL_CAP_HOST_ACCESS;
    facts.asynchronous = info.capabilities & FL_CAP_ASYNC;
    facts.event_timing = info.capabilities & FL_CAP_EVENT_TIMING;
    facts.driver = info.driver_index;
    facts.driver_name = info.driver;
    check(fl_routing_declare_driver(info.driver_index, info.driver));
    found.single_host_driver &= facts.host_access && !facts.asynchronous && facts.driver == 0;
  }
  // Drivers without devices here, so that a conf file may have a section for them.
  int32_t drivers = 0;
  check(fl_driver_count(&drivers));
  for (int32_t i = 0; i < drivers; ++i) {
    fl_driver_report report{};
    report.struct_size = sizeof report;
    check(fl_driver_at(i, &report));
    if (report.selected == 0) check(fl_routing_declare_driver(-1, report.name));
  }
  return found;
}

// Finding may fail (a bad FLAGOS_DRIVER): then nothing is kept and the next call tries again, so that each use raises.
std::atomic<const Devices*> found{nullptr};

const Devices& devices() {
  if (const auto* d = found.load(std::memory_order_acquire)) return *d;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (const auto* d = found.load(std::memory_order_acquire)) return *d;
  const auto* d = new Devices(find_devices());  // lives as long as the process: threads may still run at exit
  found.store(d, std::memory_order_release);
  return *d;
}

thread_local c10::DeviceIndex tls_device = 0;
thread_local std::array<fl_stream*, kMaxDevices> tls_streams{};  // nullptr: the default stream

}  // namespace

c10::DeviceIndex device_count() { return devices().count; }

c10::DeviceIndex device_count_or_zero() noexcept {
  try {
    return devices().count;
  } catch (const c10::Error& error) {
    return 0;
  }
}

bool devices_found() noexcept { return found.load(std::memory_order_acquire) != nullptr; }

const DeviceFacts& device_facts(c10::DeviceIndex device) { return devices().facts[static_cast<size_t>(device)]; }

bool single_host_driver() { return devices().single_host_driver; }

c10::DeviceIndex current_device() noexcept { return tls_device; }

void set_current_device(c10::DeviceIndex device) { tls_device = resolve_device(device); }

void set_current_device_unchecked(c10::DeviceIndex device) noexcept {
  if (device >= 0) tls_device = device;
}

c10::DeviceIndex resolve_device(c10::DeviceIndex device) {
  if (device < 0) device = tls_device;
  const auto count = device_count();
  if (C10_UNLIKELY(device >= count)) {
    TORCH_CHECK_VALUE(count > 0, "flagos: no device was found; `flagos doctor` says why");
    TORCH_CHECK_VALUE(false, "flagos: there is no device flagos:", static_cast<int>(device), "; this process has ",
                      static_cast<int>(count), " (flagos:0 to flagos:", count - 1, ")");
  }
  return device;
}

fl_stream* current_stream(c10::DeviceIndex device) {
  auto*& stream = tls_streams[static_cast<size_t>(device)];
  if (C10_UNLIKELY(stream == nullptr)) check(fl_stream_default(device, &stream));
  return stream;
}

void set_current_stream(fl_stream* stream) { tls_streams[static_cast<size_t>(fl_stream_device(stream))] = stream; }

c10::Stream to_torch(const fl_stream* stream) {
  const c10::Device device(kFlagos, static_cast<c10::DeviceIndex>(fl_stream_device(stream)));
  return c10::Stream(c10::Stream::UNSAFE, device, fl_stream_id(stream));
}

fl_stream* from_torch(const c10::Stream& stream) {
  fl_stream* found = nullptr;
  check(fl_stream_from_id(resolve_device(stream.device_index()), stream.id(), &found));
  return found;
}

}  // namespace flagos
