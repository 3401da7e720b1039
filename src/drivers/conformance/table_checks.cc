// The driver table itself: versions, functions, names, devices.
#include <thread>

#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

void table_is_complete(const Subject& subject) {
  const fl_driver& driver = subject.driver;
  expect(
      driver.struct_size >= sizeof(fl_driver),
      formatted("struct_size is %zu; the table of version 1.0 has %zu bytes", driver.struct_size, sizeof(fl_driver)));
  expect(driver.abi_version >> 16 == FL_HAL_MAJOR, formatted("abi_version is 0x%x", driver.abi_version));
  const struct {
    const char* name;
    bool there;
  } functions[] = {
#define FUNCTION(name) {#name, driver.name != nullptr}
      FUNCTION(last_error),    FUNCTION(group),         FUNCTION(device_count),       FUNCTION(device_info),
      FUNCTION(allocate),      FUNCTION(release),       FUNCTION(device_synchronize), FUNCTION(memory_info),
      FUNCTION(copy),          FUNCTION(fill),          FUNCTION(stream_create),      FUNCTION(stream_destroy),
      FUNCTION(stream_query),  FUNCTION(stream_wait),   FUNCTION(stream_synchronize), FUNCTION(stream_native),
      FUNCTION(event_create),  FUNCTION(event_destroy), FUNCTION(event_record),       FUNCTION(event_query),
      FUNCTION(event_elapsed), FUNCTION(host_allocate), FUNCTION(event_synchronize),  FUNCTION(host_release),
#undef FUNCTION
  };
  for (const auto& function : functions) expect(function.there, std::string(function.name) + " is NULL");
  expect((driver.host_register == nullptr) == (driver.host_unregister == nullptr),
         "one of host_register and host_unregister is NULL, the other is not");
}

void name_and_version_are_words(const Subject& subject) {
  const char* const name = subject.driver.name;
  expect(name && *name, "the driver has no name");
  for (const char* c = name; *c; ++c)
    expect((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_',
           "the name is not [a-z0-9_]+: " + std::string(name));
  expect(subject.driver.version && *subject.driver.version, "the driver has no version");
}

void last_error_is_never_null(const Subject& subject) {
  const char* text = "";
  std::thread([&] { text = subject.driver.last_error() ? "" : nullptr; }).join();
  expect(text != nullptr, "last_error() is NULL on a thread that made no call before");
}

void devices_are_described(const Subject& subject) {
  for (int32_t device = 0; device < subject.devices; ++device) {
    fl_hal_device_info info{};
    info.struct_size = sizeof(info);
    subject.ok(subject.driver.device_info(device, &info), "device_info");
    expect(info.struct_size == sizeof(info), "device_info changed struct_size");
    expect(info.name[0] && std::memchr(info.name, 0, sizeof(info.name)), "device_info: no name, or one without an end");
    expect(info.arch[0] && std::memchr(info.arch, 0, sizeof(info.arch)), "device_info: no arch, or one without an end");
    expect(info.total_memory > 0, "device_info: total_memory is 0");
    expect(info.multiprocessors > 0, "device_info: multiprocessors is 0");
    expect(info.alignment > 0 && (info.alignment & (info.alignment - 1)) == 0,
           formatted("device_info: alignment %u is no power of two", info.alignment));
  }
}

void device_info_keeps_to_struct_size(const Subject& subject) {
  fl_hal_device_info info;
  std::memset(&info, 0x5A, sizeof(info));
  info.struct_size = offsetof(fl_hal_device_info, total_memory);
  const fl_status status = subject.driver.device_info(subject.device, &info);
  uint64_t untouched;
  std::memset(&untouched, 0x5A, sizeof(untouched));
  expect(info.total_memory == untouched, "device_info wrote behind the struct_size that the caller set");
  if (status != FL_OK) subject.refused(status, FL_INVALID_ARGUMENT, "device_info with a short struct_size");
}

void unknown_group_is_null(const Subject& subject) {
  expect(subject.driver.group("no_such_group/1") == nullptr, "group(\"no_such_group/1\") is not NULL");
  expect(subject.driver.group("module/9999") == nullptr, "group(\"module/9999\") is not NULL");
}

constexpr Check kChecks[] = {
    {"table/is_complete", table_is_complete},
    {"table/name_and_version_are_words", name_and_version_are_words},
    {"table/last_error_is_never_null", last_error_is_never_null},
    {"table/devices_are_described", devices_are_described},
    {"table/device_info_keeps_to_struct_size", device_info_keeps_to_struct_size},
    {"table/unknown_group_is_null", unknown_group_is_null},
};

}  // namespace

std::span<const Check> table_checks() { return kChecks; }

}  // namespace fl::conformance
