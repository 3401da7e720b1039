#include "runtime/driver_table.h"

#include <algorithm>
#include <cstring>

namespace fl::runtime {
namespace {

constexpr size_t kNameLimit = 32;
constexpr size_t kVersionLimit = 256;
// A struct_size beyond this is a lie or garbage: ten times today's table leaves room for every future minor version.
constexpr size_t kTableLimit = 10 * sizeof(fl_driver);

// The functions that every driver gives. host_register and host_unregister may be null, and so may group.
struct Required {
  const char* name;
  size_t offset;
};
#define FL_REQUIRED(member) \
  Required { #member, offsetof(fl_driver, member) }
constexpr Required kRequired[] = {
    FL_REQUIRED(last_error),
    FL_REQUIRED(device_count),
    FL_REQUIRED(device_info),
    FL_REQUIRED(device_synchronize),
    FL_REQUIRED(allocate),
    FL_REQUIRED(release),
    FL_REQUIRED(memory_info),
    FL_REQUIRED(copy),
    FL_REQUIRED(fill),
    FL_REQUIRED(stream_create),
    FL_REQUIRED(stream_destroy),
    FL_REQUIRED(stream_query),
    FL_REQUIRED(stream_synchronize),
    FL_REQUIRED(stream_wait),
    FL_REQUIRED(stream_native),
    FL_REQUIRED(event_create),
    FL_REQUIRED(event_destroy),
    FL_REQUIRED(event_record),
    FL_REQUIRED(event_query),
    FL_REQUIRED(event_synchronize),
    FL_REQUIRED(event_elapsed),
    FL_REQUIRED(host_allocate),
    FL_REQUIRED(host_release),
};
#undef FL_REQUIRED

bool is_null_function(const fl_driver& table, size_t offset) {
  void (*function)() = nullptr;
  std::memcpy(&function, reinterpret_cast<const char*>(&table) + offset, sizeof(function));
  return function == nullptr;
}

// Copies a group's table when the driver has it and it is at least as long as version 1 of the group.
template <class Group>
std::string take_group(const fl_driver& table, const char* name, Group* group) {
  const void* found = table.group ? table.group(name) : nullptr;
  if (!found) return "";
  size_t size = 0;
  std::memcpy(&size, found, sizeof(size));
  if (size < sizeof(Group) || size > 10 * sizeof(Group)) {
    return std::string("its group \"") + name + "\" says struct_size " + std::to_string(size) + "; this core needs " +
           std::to_string(sizeof(Group)) + " or a little more";
  }
  std::memcpy(group, found, sizeof(Group));
  return "";
}

}  // namespace

bool is_driver_name(const char* name) {
  if (!name) return false;
  const size_t size = strnlen(name, kNameLimit + 1);
  const auto is_name_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return size > 0 && size <= kNameLimit && std::all_of(name, name + size, is_name_letter);
}

std::string check_driver_table(const fl_driver* table, Driver* driver) {
  if (!table) return "its entry answered FL_OK without a table";
  size_t size = 0;
  std::memcpy(&size, table, sizeof(size));
  constexpr size_t kHead = offsetof(fl_driver, capabilities);
  if (size < kHead) {
    return "its table says struct_size " + std::to_string(size) + ", too short to hold even an ABI version";
  }
  uint32_t version = 0;
  std::memcpy(&version, reinterpret_cast<const char*>(table) + offsetof(fl_driver, abi_version), sizeof(version));
  if (version >> 16 != FL_HAL_MAJOR) {
    return "it speaks driver ABI " + std::to_string(version >> 16) + "." + std::to_string(version & 0xffff) +
           ", this core speaks " + std::to_string(FL_HAL_MAJOR) + "." + std::to_string(FL_HAL_MINOR) +
           "; build the driver against this core's hal.h";
  }
  if (size < sizeof(fl_driver)) {
    return "its table says struct_size " + std::to_string(size) + ", but ABI " + std::to_string(version >> 16) + "." +
           std::to_string(version & 0xffff) + " has " + std::to_string(sizeof(fl_driver)) + " bytes";
  }
  if (size > kTableLimit) return "its table says struct_size " + std::to_string(size) + ", which no version has";

  fl_driver copy{};
  std::memcpy(&copy, table, sizeof(copy));
  if (!is_driver_name(copy.name)) {
    return "its name is not a word of 1 to 32 letters of [a-z0-9_]";
  }
  for (const Required& member : kRequired) {
    if (is_null_function(copy, member.offset)) return std::string("its function `") + member.name + "` is null";
  }
  if ((copy.host_register == nullptr) != (copy.host_unregister == nullptr)) {
    return "it has only one of host_register and host_unregister";
  }

  Driver filled;
  filled.api = copy;
  filled.name = copy.name;
  if (copy.version) filled.version.assign(copy.version, strnlen(copy.version, kVersionLimit));
  std::string fault = take_group(copy, "module/1", &filled.module);
  if (fault.empty()) fault = take_group(copy, "hostfunc/1", &filled.hostfunc);
  if (fault.empty()) fault = take_group(copy, "peer/1", &filled.peer);
  if (!fault.empty()) return fault;
  const fl_hal_module1& module = filled.module;
  if (module.struct_size && !(module.image_kinds && module.load && module.unload && module.function && module.launch)) {
    return "its group \"module/1\" has a null member";
  }
  if (filled.hostfunc.struct_size && !filled.hostfunc.enqueue) return "its group \"hostfunc/1\" has a null member";
  if (filled.peer.struct_size && !filled.peer.copy) return "its group \"peer/1\" has a null member";
  *driver = std::move(filled);
  return "";
}

}  // namespace fl::runtime
