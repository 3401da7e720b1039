// fl_device_* and fl_driver_*: the C boundary of devices and drivers.
#include "base/error.h"
#include "base/struct_size.h"
#include "runtime/devices.h"

using fl::guarded;
using fl::runtime::Device;
using fl::runtime::Devices;

fl_status fl_device_count(int32_t* count) {
  return guarded([&] {
    *count = 0;
    *count = Devices::get().count();
  });
}

fl_status fl_device_get_info(int32_t index, fl_device_info* out) {
  return guarded([&] {
    const Device& device = Devices::get().at(index);
    fl_device_info info{};
    info.hal = device.info;
    info.driver = device.driver.name.c_str();
    info.driver_version = device.driver.version.c_str();
    info.driver_index = device.driver.index;
    info.ordinal = device.ordinal;
    info.capabilities = device.api.capabilities;
    fl::fill_struct(out, info);
  });
}

fl_status fl_device_synchronize(int32_t index) {
  return guarded([&] {
    Device& device = Devices::get().at(index);
    device.require_usable();
    device.check(device.api.device_synchronize(device.ordinal), "synchronize");
  });
}

const void* fl_device_group(int32_t index, const char* name) {
  const void* group = nullptr;
  guarded([&] {
    const Device& device = Devices::get().at(index);
    if (name && device.api.group) group = device.api.group(name);
  });
  return group;
}

fl_status fl_device_usable(int32_t index) {
  return guarded([&] { Devices::get().at(index).require_usable(); });
}

int32_t fl_device_opened(int32_t index) {
  int32_t opened = 0;
  guarded([&] { opened = Devices::get().at(index).opened.load(std::memory_order_relaxed); });
  return opened;
}

fl_status fl_driver_count(int32_t* count) {
  return guarded([&] { *count = static_cast<int32_t>(Devices::get().drivers().report().size()); });
}

fl_status fl_driver_at(int32_t index, fl_driver_report* out) {
  return guarded([&] {
    const auto& rows = Devices::get().drivers().report();
    if (static_cast<size_t>(index) >= rows.size()) {
      fl::fail(FL_INVALID_ARGUMENT, "There is no driver %d: %zu were found.", index, rows.size());
    }
    const fl::runtime::DriverList::Row& row = *rows[static_cast<size_t>(index)];
    fl_driver_report report{};
    report.name = row.name.c_str();
    report.version = row.driver ? row.driver->version.c_str() : nullptr;
    report.origin = row.origin.c_str();
    report.status = row.status;
    report.reason = row.reason.c_str();
    report.devices = static_cast<int32_t>(row.devices.size());
    report.selected = row.selected;
    fl::fill_struct(out, report);
  });
}
