// The CPU as a device: always there, its memory is the host's, its work is done when the call returns. This file is
// the driver's C boundary: the entry, the table, and the devices.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/struct_size.h"
#include "drivers/host/driver.h"
#include "drivers/host/machine.h"

namespace fl::drivers::host {
namespace {

constexpr int32_t kMostDevices = 64;

const fl_driver_host* g_core = nullptr;
int32_t g_devices = 1;

void describe(int32_t device, fl_hal_device_info* info) {
  check_device(device);
  static const std::string name = processor_name();
  fl_hal_device_info all{};
  std::snprintf(all.name, sizeof(all.name), "%s", name.c_str());
  std::snprintf(all.arch, sizeof(all.arch), "%s", processor_arch());
  all.total_memory = usable_memory().total;
  all.multiprocessors = usable_cores();
  all.alignment = 64;
  fill_struct(info, all);
}

const fl_hal_peer1 kPeer = {
    .struct_size = sizeof(fl_hal_peer1),
    .copy =
        [](int32_t device, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device, fl_addr src,
           uint64_t size) {
          return guarded([&] { copy_peer(device, stream, dst_device, dst, src_device, src, size); });
        },
};

const void* find_group(const char* name) {
  if (std::strcmp(name, "module/1") == 0) return module_group();
  if (std::strcmp(name, "peer/1") == 0) return &kPeer;
  return nullptr;
}

const fl_driver kDriver = {
    .struct_size = sizeof(fl_driver),
    .abi_version = FL_HAL_VERSION,
    .capabilities = FL_CAP_HOST_ACCESS | FL_CAP_EVENT_TIMING | FL_CAP_FORK_SAFE,
    .name = "host",
    .version = FLAGOS_VERSION,
    .last_error = [] { return fl_last_error(); },
    .group = find_group,
    .device_count = [](int32_t* count) { return guarded([&] { *count = g_devices; }); },
    .device_info = [](int32_t device, fl_hal_device_info* info) { return guarded([&] { describe(device, info); }); },
    .device_synchronize = [](int32_t device) { return guarded([&] { check_device(device); }); },
    .allocate = [](int32_t device, uint64_t size,
                   fl_addr* address) { return guarded([&] { *address = allocate(device, size); }); },
    .release = [](int32_t device, fl_addr address) { return guarded([&] { release(device, address); }); },
    .memory_info =
        [](int32_t device, uint64_t* free_bytes, uint64_t* total_bytes) {
          return guarded([&] {
            check_device(device);
            const Memory memory = usable_memory();
            *free_bytes = memory.available;
            *total_bytes = memory.total;
          });
        },
    .copy = [](int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src,
               uint64_t size) { return guarded([&] { copy(device, stream, kind, dst, src, size); }); },
    .fill = [](int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
               uint64_t count) { return guarded([&] { fill(device, stream, dst, pattern, pattern_size, count); }); },
    .stream_create = [](int32_t device, int32_t priority,
                        fl_hal_stream* stream) { return guarded([&] { *stream = stream_create(device, priority); }); },
    .stream_destroy = [](int32_t device,
                         fl_hal_stream stream) { return guarded([&] { stream_destroy(device, stream); }); },
    .stream_query = [](int32_t device, fl_hal_stream stream) { return guarded([&] { check_stream(device, stream); }); },
    .stream_synchronize = [](int32_t device,
                             fl_hal_stream stream) { return guarded([&] { check_stream(device, stream); }); },
    .stream_wait = [](int32_t device, fl_hal_stream stream,
                      fl_hal_event event) { return guarded([&] { stream_wait(device, stream, event); }); },
    .stream_native =
        [](int32_t device, fl_hal_stream stream, void** native) {
          return guarded([&] {
            check_stream(device, stream);
            *native = stream;  // there is no library below: the handle is the native one, NULL the default stream's
          });
        },
    .event_create = [](int32_t device, int32_t timing,
                       fl_hal_event* event) { return guarded([&] { *event = event_create(device, timing); }); },
    .event_destroy = [](int32_t device, fl_hal_event event) { return guarded([&] { event_destroy(device, event); }); },
    .event_record = [](int32_t device, fl_hal_event event,
                       fl_hal_stream stream) { return guarded([&] { event_record(device, event, stream); }); },
    .event_query = [](int32_t device, fl_hal_event event) { return guarded([&] { check_event(device, event); }); },
    .event_synchronize = [](int32_t device,
                            fl_hal_event event) { return guarded([&] { check_event(device, event); }); },
    .event_elapsed = [](int32_t device, fl_hal_event start, fl_hal_event stop,
                        double* ms) { return guarded([&] { *ms = event_elapsed(device, start, stop); }); },
    .host_allocate = [](uint64_t size, void** pointer) { return guarded([&] { *pointer = host_allocate(size); }); },
    .host_release = [](void* pointer) { return guarded([&] { host_release(pointer); }); },
    .host_register = [](void* pointer, uint64_t size) { return guarded([&] { host_register(pointer, size); }); },
    .host_unregister = [](void* pointer) { return guarded([&] { host_unregister(pointer); }); },
};

void start(const fl_driver_host* host) {
  if (!host || host->abi_version >> 16 != FL_HAL_MAJOR)
    fail(FL_UNSUPPORTED, "The host driver speaks version %u of the driver table, the core speaks %u.", FL_HAL_MAJOR,
         host ? host->abi_version >> 16 : 0);
  if (const char* const text = host->option("FLAGOS_HOST_DEVICES")) {
    const char* const end = text + std::strlen(text);
    int32_t devices = 0;
    const auto [stop, problem] = std::from_chars(text, end, devices);
    if (stop != end || problem != std::errc() || devices < 1 || devices > kMostDevices)
      fail(FL_INVALID_ARGUMENT, "FLAGOS_HOST_DEVICES='%s' is no number from 1 to %d.", text, kMostDevices);
    g_devices = devices;
  }
  if (!g_core) {
    memory_survives_fork();
    stream_survives_fork();
    module_survives_fork();
  }
  g_core = host;
}

}  // namespace

const fl_driver_host& core() { return *g_core; }

void check_device(int32_t device) {
  if (device < 0 || device >= g_devices)
    fail(FL_INVALID_ARGUMENT, "The host driver has no device %d; it has %d (FLAGOS_HOST_DEVICES sets how many).",
         device, g_devices);
}

}  // namespace fl::drivers::host

extern "C" fl_status fl_host_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why,
                                          size_t why_size) {
  const fl_status status = fl::guarded([&] {
    fl::drivers::host::start(host);
    *driver = &fl::drivers::host::kDriver;
  });
  if (status != FL_OK && why_size > 0) std::snprintf(why, why_size, "%s", fl_last_error());
  return status;
}
