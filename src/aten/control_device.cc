// Operators that Python's torch_fl calls for devices, streams and generators. Each is a pass-through over the C ABI:
// what they mean is said in include/flagos/runtime.h and torch_fl/flagos/. Not here: what PyTorch itself asks (guard,
// hooks).
#include <torch/library.h>

#include <string>
#include <tuple>

#include "aten/control.h"
#include "aten/generator.h"

namespace flagos {
namespace {

fl_stream* stream_of(int64_t device, int64_t id) {
  fl_stream* stream = nullptr;
  check(fl_stream_from_id(device_argument(device), id, &stream));
  return stream;
}

// name, arch, total memory in bytes, multiprocessors, alignment, driver, driver's version, driver index, ordinal,
// capabilities
using Properties = std::tuple<std::string, std::string, int64_t, int64_t, int64_t, std::string, std::string, int64_t,
                              int64_t, int64_t>;

Properties device_properties(int64_t device) {
  fl_device_info info{};
  info.struct_size = sizeof info;
  info.hal.struct_size = sizeof info.hal;
  check(fl_device_get_info(device_argument(device), &info));
  return {info.hal.name,
          info.hal.arch,
          static_cast<int64_t>(info.hal.total_memory),
          info.hal.multiprocessors,
          info.hal.alignment,
          info.driver,
          info.driver_version != nullptr ? info.driver_version : "",
          info.driver_index,
          info.ordinal,
          info.capabilities};
}

// Copies between the two go device to device without staging: the same device, or one driver that has the group.
bool peers(int64_t device, int64_t peer) {
  const auto a = device_argument(device), b = device_argument(peer);
  if (a == b) return true;
  return device_facts(a).driver == device_facts(b).driver && fl_device_group(a, "peer/1") != nullptr;
}

int64_t native_stream(int64_t device, int64_t id) {
  void* native = nullptr;
  check(fl_stream_native(stream_of(device, id), &native));
  return static_cast<int64_t>(reinterpret_cast<intptr_t>(native));
}

// `start` and `stop` are torch.Event.event_id: the guard makes events of the core, 0 before the first record.
double event_elapsed(int64_t start, int64_t stop) {
  TORCH_CHECK_VALUE(start != 0 && stop != 0, "flagos: elapsed_time needs two events that were recorded");
  double milliseconds = 0;
  check(fl_event_elapsed(reinterpret_cast<fl_event*>(start), reinterpret_cast<fl_event*>(stop), &milliseconds));
  return milliseconds;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(flagos, m) {
  m.def("version() -> str", [] { return std::string(fl_version()); });
  m.def("device_count() -> int", [] { return static_cast<int64_t>(device_count()); });
  m.def("device_count_or_zero() -> int", [] { return static_cast<int64_t>(device_count_or_zero()); });
  m.def("devices_found() -> bool", [] { return devices_found(); });
  m.def("current_device() -> int", [] { return static_cast<int64_t>(current_device()); });
  m.def("set_device(int device) -> ()", [](int64_t device) { set_current_device(device_argument(device)); });
  m.def(
      "device_properties(int device) -> "
      "(str name, str arch, int total_memory, int multiprocessors, int alignment, str driver, str driver_version, "
      "int driver_index, int ordinal, int capabilities)",
      &device_properties);
  m.def("device_synchronize(int device) -> ()",
        [](int64_t device) { check(fl_device_synchronize(device_argument(device))); });
  // False after fork where the driver cannot go on in the child; every other call then raises.
  m.def("device_works(int device) -> bool",
        [](int64_t device) { return fl_device_usable(device_argument(device)) == FL_OK; });
  m.def("device_opened(int device) -> bool",
        [](int64_t device) { return fl_device_opened(device_argument(device)) != 0; });
  m.def("device_peers(int device, int peer) -> bool", &peers);

  m.def("stream_priority(int device, int id) -> int",
        [](int64_t device, int64_t id) { return static_cast<int64_t>(fl_stream_priority(stream_of(device, id))); });
  m.def("stream_native(int device, int id) -> int", &native_stream);

  m.def("event_elapsed(int start, int stop) -> float", &event_elapsed);

  m.def("default_generator(int device) -> Generator?",
        [](int64_t device) -> std::optional<at::Generator> { return default_generator(device_argument(device)); });
  m.def("seed_all(int seed) -> ()", [](int64_t seed) { seed_all(static_cast<uint64_t>(seed)); });
  m.def("cpu_engine() -> bool", [] { return cpu_engine(); });
}

}  // namespace flagos
