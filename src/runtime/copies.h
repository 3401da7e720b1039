// Copies between any two of: host memory, a device, another device, another driver's device.
#ifndef FLAGOS_RUNTIME_COPIES_H_
#define FLAGOS_RUNTIME_COPIES_H_

#include "flagos/runtime.h"

namespace fl::runtime {

// fl_copy; throws.
void copy(const fl_copy_side& dst, const fl_copy_side& src, uint64_t size, uint32_t flags);

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_COPIES_H_
