// Breaks the rule that no exception crosses: its entry throws.
#include <stdexcept>

#include "flagos/hal.h"

extern "C" FL_EXPORT fl_status fl_driver_entry(const fl_driver_host*, const fl_driver**, char*, size_t) {
  throw std::runtime_error("thrown by a driver's entry");
}
