/* "sim/1": what only a simulation can offer: failures and delays on demand, for tests, and the distance that kernels
 * for it are compiled with. Obtained from the driver's group("sim/1"), or fl_device_group(device, "sim/1").
 *
 * Any thread; a failure is a status with its text in the driver's last_error(). Nothing here sleeps.
 *
 * The driver's "builtin" kernels. The programs of the grid share the elements evenly; a kernel of 1 program does all.
 *   fill  address dst, u64 count, f32 value          dst[i] = value
 *   axpy  address y, address x, f32 a, u64 count     y[i] += a * x[i]
 *   gate  u64 gate                                   runs until the gate is open */
#ifndef FLAGOS_DRIVERS_SIM_SIM_CONTROL_H_
#define FLAGOS_DRIVERS_SIM_SIM_CONTROL_H_

#include "flagos/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FL_SIM1 "sim/1"

typedef struct fl_sim1 {
  size_t struct_size;

  /* For the compiler alone: a kernel in an "elf-x86_64" image runs on the host's processor, where a device's memory
   * lies this many bytes above the device's addresses. It is to be added to every address before it is followed. A
   * power of two, constant in the process and the same for every device; the same in all processes with the same number
   * of devices and memory. Anything else that uses it defeats what the simulation is for. */
  fl_status (*distance)(uint64_t* bytes);

  /* Gates are named by numbers of the test's choice, for all devices, and are closed until opened. */
  fl_status (*open_gate)(uint64_t gate);
  fl_status (*close_gate)(uint64_t gate);

  /* The next `count` allocations of the device fail with FL_OUT_OF_MEMORY; 0 ends it. */
  fl_status (*fail_allocations)(int32_t device, uint32_t count);

  /* From now on the device answers FL_DEVICE_LOST; what its streams hold is dropped and whoever waits for them returns.
   * Blocks, streams and events can still be released. restore: it works again. The blocks that are left keep their
   * addresses, their contents are garbage. */
  fl_status (*lose_device)(int32_t device);
  fl_status (*restore_device)(int32_t device);

  /* enabled != 0: copies that are enqueued on the device's streams from now on wait until the gate is open. */
  fl_status (*gate_copies)(int32_t device, int32_t enabled, uint64_t gate);

  /* Each copy enqueued from now on, on any device, begins so much later; 0 ends it. As FLAGOS_SIM_COPY_DELAY. */
  fl_status (*delay_copies)(uint32_t microseconds);
} fl_sim1;

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_DRIVERS_SIM_SIM_CONTROL_H_ */
