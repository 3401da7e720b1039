// The drivers that are part of libflagos.so, as one table: the runtime finds them here and needs no library for them.
#ifndef FLAGOS_DRIVERS_LINKED_IN_H_
#define FLAGOS_DRIVERS_LINKED_IN_H_

#include <span>

#include "flagos/hal.h"

extern "C" fl_status fl_host_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why,
                                          size_t why_size);
extern "C" fl_status fl_sim_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why,
                                         size_t why_size);

namespace fl::drivers {

struct LinkedIn {
  const char* name;  // as in FLAGOS_DRIVER
  fl_driver_entry_fn entry;
};

// In the order in which they are tried. "sim" answers FL_ABSENT unless FLAGOS_DRIVER names it, so that nobody computes
// on a simulation by accident.
std::span<const LinkedIn> linked_in();

}  // namespace fl::drivers
#endif  // FLAGOS_DRIVERS_LINKED_IN_H_
