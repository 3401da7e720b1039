/* Lies about its version: says yes to the core, and hands out a table of major version 99. */
#include "flagos/hal.h"

static const fl_driver kDriver = {.struct_size = sizeof(fl_driver), .abi_version = 99u << 16, .name = "wrong_version"};

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  (void)host, (void)why, (void)why_size;
  *driver = &kDriver;
  return FL_OK;
}
