// A simulated accelerator: an accelerator's habits without its hardware. Asynchronous streams, memory that the host
// cannot read, copies that return early, and failures on demand (sim_control.h). It is present only where FLAGOS_DRIVER
// names it, so that nobody computes on a simulation by accident. This file is the driver's C boundary.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/struct_size.h"
#include "drivers/sim/driver.h"
#include "drivers/sim/sim_control.h"

namespace fl::drivers::sim {
namespace {

void describe(int32_t device, fl_hal_device_info* info) {
  refuse_forked_child();
  check_device_index(device);
  fl_hal_device_info all{};
  std::snprintf(all.name, sizeof(all.name), "Simulated accelerator");
  std::snprintf(all.arch, sizeof(all.arch), "sim");
  all.total_memory = engine().settings.memory;
  all.multiprocessors = 1;  // a kernel's programs run one after the other on the stream's thread
  all.alignment = 512;
  fill_struct(info, all);
}

const void* find_group(const char* name) {
  const std::string_view wanted(name);
  if (wanted == "module/1") return module_group();
  if (wanted == "hostfunc/1") return hostfunc_group();
  if (wanted == "signal/1") return signal_group();
  if (wanted == "peer/1") return peer_group();
  if (wanted == FL_SIM1) return control_group();
  return nullptr;
}

const fl_driver kDriver = {
    .struct_size = sizeof(fl_driver),
    .abi_version = FL_HAL_VERSION,
    .capabilities = FL_CAP_ASYNC | FL_CAP_EVENT_TIMING,
    .name = "sim",
    .version = FLAGOS_VERSION,
    .last_error = [] { return fl_last_error(); },
    .group = find_group,
    .device_count =
        [](int32_t* count) {
          return guarded([&] {
            refuse_forked_child();
            *count = engine().settings.devices;
          });
        },
    .device_info = [](int32_t device, fl_hal_device_info* info) { return guarded([&] { describe(device, info); }); },
    .device_synchronize = [](int32_t device) { return guarded([&] { device_synchronize(device); }); },
    .allocate = [](int32_t device, uint64_t size,
                   fl_addr* address) { return guarded([&] { *address = allocate(device, size); }); },
    .release = [](int32_t device, fl_addr address) { return guarded([&] { release(device, address); }); },
    .memory_info = [](int32_t device, uint64_t* free_bytes,
                      uint64_t* total_bytes) { return guarded([&] { memory_info(device, free_bytes, total_bytes); }); },
    .copy = [](int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src,
               uint64_t size) { return guarded([&] { copy(device, stream, kind, dst, src, size); }); },
    .fill = [](int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
               uint64_t count) { return guarded([&] { fill(device, stream, dst, pattern, pattern_size, count); }); },
    .stream_create = [](int32_t device, int32_t,
                        fl_hal_stream* stream) { return guarded([&] { *stream = stream_create(device); }); },
    .stream_destroy = [](int32_t device,
                         fl_hal_stream stream) { return guarded([&] { stream_destroy(device, stream); }); },
    .stream_query = [](int32_t device,
                       fl_hal_stream stream) { return guarded([&] { return stream_query(device, stream); }); },
    .stream_synchronize = [](int32_t device,
                             fl_hal_stream stream) { return guarded([&] { stream_synchronize(device, stream); }); },
    .stream_wait = [](int32_t device, fl_hal_stream stream,
                      fl_hal_event event) { return guarded([&] { stream_wait(device, stream, event); }); },
    .stream_native = [](int32_t device, fl_hal_stream stream,
                        void** native) { return guarded([&] { *native = stream_native(device, stream); }); },
    .event_create = [](int32_t device, int32_t timing,
                       fl_hal_event* event) { return guarded([&] { *event = event_create(device, timing); }); },
    .event_destroy = [](int32_t device, fl_hal_event event) { return guarded([&] { event_destroy(device, event); }); },
    .event_record = [](int32_t device, fl_hal_event event,
                       fl_hal_stream stream) { return guarded([&] { event_record(device, event, stream); }); },
    .event_query = [](int32_t device,
                      fl_hal_event event) { return guarded([&] { return event_query(device, event); }); },
    .event_synchronize = [](int32_t device,
                            fl_hal_event event) { return guarded([&] { event_synchronize(device, event); }); },
    .event_elapsed = [](int32_t device, fl_hal_event start, fl_hal_event stop,
                        double* ms) { return guarded([&] { return event_elapsed(device, start, stop, ms); }); },
    .host_allocate = [](uint64_t size, void** pointer) { return guarded([&] { *pointer = host_allocate(size); }); },
    .host_release = [](void* pointer) { return guarded([&] { host_release(pointer); }); },
    .host_register = [](void* pointer, uint64_t size) { return guarded([&] { host_register(pointer, size); }); },
    .host_unregister = [](void* pointer) { return guarded([&] { host_unregister(pointer); }); },
};

bool names_sim(const char* list) {
  for (std::string_view rest = list ? list : ""; !rest.empty();) {
    const size_t comma = rest.find(',');
    std::string_view word = rest.substr(0, comma);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    if (word == kDriver.name) return true;
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return false;
}

// A whole number with an optional K, M, G (times 1024).
template <typename T>
void read_option(const fl_driver_host& host, const char* name, T least, T most, T* value) {
  const char* const text = host.option(name);
  if (!text) return;
  const char* const end = text + std::strlen(text);
  uint64_t number = 0;
  auto [stop, problem] = std::from_chars(text, end, number);
  const char* const units = "KMG";
  if (problem == std::errc() && stop != end)
    if (const char* const unit = std::strchr(units, *stop & ~0x20); unit && *unit) {
      const auto shift = static_cast<unsigned>(10 * (unit - units + 1));
      number = number > UINT64_MAX >> shift ? UINT64_MAX : number << shift;
      ++stop;
    }
  if (stop != end || problem != std::errc() || number < static_cast<uint64_t>(least) ||
      number > static_cast<uint64_t>(most))
    fail(FL_INVALID_ARGUMENT, "%s='%s' is no number from %llu to %llu.", name, text,
         static_cast<unsigned long long>(least), static_cast<unsigned long long>(most));
  *value = static_cast<T>(number);
}

void start(const fl_driver_host* host) {
  if (!host || host->abi_version >> 16 != FL_HAL_MAJOR)
    fail(FL_UNSUPPORTED, "The simulated accelerator speaks version %u of the driver table, the core speaks %u.",
         FL_HAL_MAJOR, host ? host->abi_version >> 16 : 0);
  if (!names_sim(host->option("FLAGOS_DRIVER")))
    fail(FL_ABSENT, "It is a simulation, present only when asked for: FLAGOS_DRIVER=sim.");
  Settings& settings = engine().settings;
  read_option<int32_t>(*host, "FLAGOS_SIM_DEVICES", 1, 64, &settings.devices);
  read_option<uint64_t>(*host, "FLAGOS_SIM_MEMORY", uint64_t{1} << 20, uint64_t{256} << 30, &settings.memory);
  read_option<uint32_t>(*host, "FLAGOS_SIM_COPY_DELAY", 0, 1'000'000, &settings.copy_delay);
  settings.memory &= ~uint64_t{4095};  // windows are whole pages
}

}  // namespace
}  // namespace fl::drivers::sim

extern "C" fl_status fl_sim_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why,
                                         size_t why_size) {
  const fl_status status = fl::guarded([&] {
    fl::drivers::sim::start(host);
    *driver = &fl::drivers::sim::kDriver;
  });
  if (status != FL_OK && why_size > 0) std::snprintf(why, why_size, "%s", fl_last_error());
  return status;
}
