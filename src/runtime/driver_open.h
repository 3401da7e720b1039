// Opens one driver: its library, its entry, its table, its devices, each step checked and each failure a sentence.
#ifndef FLAGOS_RUNTIME_DRIVER_OPEN_H_
#define FLAGOS_RUNTIME_DRIVER_OPEN_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/driver_table.h"

namespace fl::runtime {

struct OpenedDriver {
  fl_status status = FL_INTERNAL;
  std::string reason;  // "" when status is FL_OK
  std::unique_ptr<Driver> driver;
  std::vector<fl_hal_device_info> devices;
};

// Calls the entry and asks the driver for its devices. `name` is what the driver is expected to be called.
OpenedDriver open_driver(const std::string& name, fl_driver_entry_fn entry);

// Probes the library in a child, loads it for good and does the same.
OpenedDriver open_driver_library(const std::string& name, const std::string& path);

// The text of an option that the environment refused while a driver asked for it on this thread, once; else "".
std::string take_refused_option();

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_DRIVER_OPEN_H_
