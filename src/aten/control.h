// What the operators that Python calls (control_*.cc) share: a checked device argument, and JSON of the core as text.
#pragma once

#include <string>
#include <utility>

#include "aten/current.h"
#include "aten/errors.h"

namespace flagos {

// A device index as Python hands it over; throws ValueError when there is no such device.
inline c10::DeviceIndex device_argument(int64_t device) {
  TORCH_CHECK_VALUE(device >= 0 && device < kMaxDevices, "flagos: there is no device flagos:", device);
  return resolve_device(static_cast<c10::DeviceIndex>(device));
}

// Runs emit(sink, context), which returns a status, and returns what the sink was given.
template <class Emit>
std::string text_from(Emit&& emit) {
  std::string text;
  const fl_text_sink sink = [](void* context, const char* part, size_t size) {
    static_cast<std::string*>(context)->append(part, size);
  };
  check(std::forward<Emit>(emit)(sink, &text));
  return text;
}

}  // namespace flagos
