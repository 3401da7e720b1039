#include "runtime/driver_open.h"

#include <dlfcn.h>

#include <bit>
#include <cstring>
#include <exception>

#include "base/error.h"
#include "runtime/driver_list.h"
#include "runtime/probe.h"

namespace fl::runtime {
namespace {

// More devices than any machine has: a count beyond it is garbage.
constexpr int32_t kDeviceLimit = 1024;
constexpr uint32_t kLeastAlignment = 64;  // what runtime.h promises for every block

// A status that no version of the table has, or that is no failure, is the driver's mistake.
OpenedDriver broken(fl_status status, std::string reason) {
  const bool known = status > FL_NOT_READY && status <= FL_INTERNAL;
  return {known ? status : FL_INTERNAL, std::move(reason), nullptr, {}};
}

// Calls into the driver; a C++ exception that it lets out becomes `thrown`.
template <class Call>
fl_status call_driver(std::string* thrown, const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    *thrown = error.what();
  } catch (...) {
    *thrown = "an exception of unknown type";
  }
  return FL_INTERNAL;
}

std::string text_of(const Driver& driver) {
  const char* text = driver.api.last_error();
  return text && *text ? text : "the driver gives no text";
}

std::string check_device(const fl_hal_device_info& info) {
  if (!memchr(info.name, 0, sizeof(info.name)) || !memchr(info.arch, 0, sizeof(info.arch))) {
    return "has a name or arch without an end";
  }
  if (!std::has_single_bit(info.alignment) || info.alignment < kLeastAlignment) {
    return "says alignment " + std::to_string(info.alignment) + "; it must be a power of two and at least 64";
  }
  return "";
}

// device_count and device_info of each, under the same net as the entry.
OpenedDriver ask_devices(std::unique_ptr<Driver> driver) {
  std::string thrown;
  int32_t count = 0;
  fl_status status = call_driver(&thrown, [&] { return driver->api.device_count(&count); });
  if (std::string refused = take_refused_option(); !refused.empty()) return broken(FL_INVALID_ARGUMENT, refused);
  if (!thrown.empty()) return broken(FL_INTERNAL, "device_count threw: " + thrown);
  if (status != FL_OK) return broken(status, "device_count: " + text_of(*driver));
  if (count == 0) return broken(FL_ABSENT, "no device");
  if (count < 0 || count > kDeviceLimit) {
    return broken(FL_INTERNAL, "device_count answered " + std::to_string(count));
  }
  OpenedDriver opened{FL_OK, "", nullptr, {}};
  for (int32_t i = 0; i < count; ++i) {
    fl_hal_device_info info{};
    info.struct_size = sizeof(info);
    status = call_driver(&thrown, [&] { return driver->api.device_info(i, &info); });
    if (!thrown.empty()) return broken(FL_INTERNAL, "device_info threw: " + thrown);
    const std::string which = "device " + std::to_string(i) + " ";
    if (status != FL_OK) return broken(status, which + "gives no information: " + text_of(*driver));
    if (std::string fault = check_device(info); !fault.empty()) return broken(FL_INTERNAL, which + fault);
    opened.devices.push_back(info);
  }
  driver->devices = count;
  opened.driver = std::move(driver);
  return opened;
}

}  // namespace

OpenedDriver open_driver(const std::string& name, fl_driver_entry_fn entry) {
  const fl_driver* table = nullptr;
  char why[512] = "";
  std::string thrown;
  take_refused_option();
  const fl_status status = call_driver(&thrown, [&] { return entry(&driver_host(), &table, why, sizeof(why)); });
  why[sizeof(why) - 1] = 0;
  if (std::string refused = take_refused_option(); !refused.empty()) return broken(FL_INVALID_ARGUMENT, refused);
  if (!thrown.empty()) return broken(FL_INTERNAL, "its entry threw: " + thrown);
  if (status != FL_OK) {
    const char* text = *why ? why : "the driver gives no reason";
    const bool known = status > FL_NOT_READY && status <= FL_INTERNAL;
    return known ? broken(status, text) : broken(FL_INTERNAL, "its entry answered " + std::to_string(status));
  }
  auto driver = std::make_unique<Driver>();
  std::string fault;
  std::string group_threw;
  call_driver(&group_threw, [&] {
    fault = check_driver_table(table, driver.get());
    return FL_OK;
  });
  if (!group_threw.empty()) return broken(FL_INTERNAL, "its `group` threw: " + group_threw);
  if (!fault.empty()) return broken(FL_INTERNAL, fault);
  if (driver->name != name) {
    return broken(FL_INTERNAL, "it calls itself \"" + driver->name + "\" where \"" + name + "\" was expected");
  }
  return ask_devices(std::move(driver));
}

OpenedDriver open_driver_library(const std::string& name, const std::string& path) {
  if (std::string crash = probe_driver_library(path, &driver_host()); !crash.empty()) {
    return broken(FL_INTERNAL, crash + " in a trial; it is not used");
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* text = dlerror();
    return broken(FL_INTERNAL, text ? text : "it cannot be loaded");
  }
  fl_driver_entry_fn entry = nullptr;
  *reinterpret_cast<void**>(&entry) = dlsym(library, FL_DRIVER_ENTRY_SYMBOL);
  if (!entry) return broken(FL_INTERNAL, "it has no symbol `" FL_DRIVER_ENTRY_SYMBOL "`");
  return open_driver(name, entry);
}

}  // namespace fl::runtime
