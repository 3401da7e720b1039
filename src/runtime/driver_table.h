// A driver's table, checked and copied: after this the runtime trusts its shape.
//
// The copy has the size of this core's fl_driver: members that an older driver does not have are null, members that a
// newer one has are not seen. Not here: where tables come from (driver_list.h) and what the calls answer (device.h).
#ifndef FLAGOS_RUNTIME_DRIVER_TABLE_H_
#define FLAGOS_RUNTIME_DRIVER_TABLE_H_

#include <string>

#include "flagos/hal.h"

namespace fl::runtime {

struct Driver {
  fl_driver api{};
  std::string name;
  std::string version;
  int32_t index = -1;   // among the selected drivers; -1: not selected
  int32_t devices = 0;  // as device_count answered

  // Optional groups, copied like the table; `struct_size` 0 means that the driver has none.
  fl_hal_module1 module{};
  fl_hal_hostfunc1 hostfunc{};
  fl_hal_peer1 peer{};

  bool can(uint32_t capability) const { return (api.capabilities & capability) != 0; }
  bool asynchronous() const { return can(FL_CAP_ASYNC); }
};

// What is wrong with the table, or "" and `driver` filled (name, version, api and groups). Reads only what struct_size
// covers; calls nothing but `group`. The table must be readable for that many bytes.
std::string check_driver_table(const fl_driver* table, Driver* driver);

// True for the names that FLAGOS_DRIVER and a conf file can say: [a-z0-9_]+, at most 32 letters.
bool is_driver_name(const char* name);

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_DRIVER_TABLE_H_
