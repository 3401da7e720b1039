/* Not bad at all: a driver whose vendor library is missing. It must be quiet and hide nobody. */
#include <stdio.h>

#include "flagos/hal.h"

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  (void)host, (void)driver;
  snprintf(why, why_size, "libvendor.so.1: cannot open shared object file");
  return FL_ABSENT;
}
