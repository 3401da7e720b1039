/* Loads well, and ends the process in its entry, by the signal of a null pointer. */
#include <signal.h>

#include "flagos/hal.h"

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  (void)host, (void)driver, (void)why, (void)why_size;
  signal(SIGSEGV, SIG_DFL); /* whatever handler a sanitizer has installed */
  raise(SIGSEGV);
  return FL_INTERNAL;
}
