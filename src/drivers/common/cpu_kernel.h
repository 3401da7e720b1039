// What every driver that runs "elf-x86_64" kernels on this machine's processor needs: loaded objects with their
// functions, a checked grid, and scratch memory of a thread. When and on which thread a kernel runs is the driver's
// own matter.
#ifndef FLAGOS_DRIVERS_COMMON_CPU_KERNEL_H_
#define FLAGOS_DRIVERS_COMMON_CPU_KERNEL_H_

#include <cstdint>
#include <memory>

#include "base/object.h"
#include "flagos/hal.h"

namespace fl::drivers {

inline constexpr char kCpuImageKind[] = "elf-x86_64";

// Arguments of one launch; the pointers to them lie on the stack. No kernel of the field comes near.
inline constexpr uint32_t kMaxKernelArgs = 256;

// Programs of the grid, 0 when there is nothing to do. Throws Error(FL_INVALID_ARGUMENT) for a missing or short config,
// for flags that are not known, and for a grid of 2^63 programs or more.
uint64_t checked_program_count(const fl_launch_config* config);

// Throws Error(FL_INVALID_ARGUMENT) for a missing array, an unknown kind, or an address that is not 8 bytes, and
// Error(FL_UNSUPPORTED) for more than kMaxKernelArgs.
void check_kernel_args(const fl_arg* args, uint32_t arg_count);

// Memory of the calling thread, 64-byte aligned, kept from call to call; what it holds is undefined. nullptr for 0
// bytes. Throws std::bad_alloc.
void* thread_scratch(uint64_t bytes);

}  // namespace fl::drivers
#endif  // FLAGOS_DRIVERS_COMMON_CPU_KERNEL_H_
