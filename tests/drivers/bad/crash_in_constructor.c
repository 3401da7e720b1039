/* Ends the process as soon as it is loaded, before anybody can ask it anything. */
#include <stdlib.h>

#include "flagos/hal.h"

__attribute__((constructor)) static void crash(void) { abort(); }

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  (void)host, (void)driver, (void)why, (void)why_size;
  return FL_INTERNAL;
}
