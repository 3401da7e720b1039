// The parts of the host driver, and what they know of each other. Each function below stands behind one entry of the
// driver table and throws fl::Error; driver.cc is the C boundary around them.
#ifndef FLAGOS_DRIVERS_HOST_DRIVER_H_
#define FLAGOS_DRIVERS_HOST_DRIVER_H_

#include <cstdint>

#include "flagos/hal.h"

namespace fl::drivers::host {

// What the core gave at the entry.
const fl_driver_host& core();

// Throws Error(FL_INVALID_ARGUMENT) for a device that is not there.
void check_device(int32_t device);
// The same for a stream of another device, a destroyed one, or no stream at all; NULL is the default stream.
void check_stream(int32_t device, fl_hal_stream stream);

// memory.cc: blocks of anonymous memory, for devices and as "pinned" host memory.
fl_addr allocate(int32_t device, uint64_t size);
void release(int32_t device, fl_addr address);
void* host_allocate(uint64_t size);
void host_release(void* pointer);
void host_register(void* pointer, uint64_t size);
void host_unregister(void* pointer);

// copy.cc: runs on the calling thread and, when large, on the thread pool; done when it returns.
void copy(int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size);
void fill(int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
          uint64_t count);
void copy_peer(int32_t device, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device, fl_addr src,
               uint64_t size);

// stream.cc: work is done when the call that asked for it returns, so that a stream is always idle and an event is the
// time at which it was recorded.
fl_hal_stream stream_create(int32_t device, int32_t priority);
void stream_destroy(int32_t device, fl_hal_stream stream);
void stream_wait(int32_t device, fl_hal_stream stream, fl_hal_event event);
fl_hal_event event_create(int32_t device, int32_t timing);
void event_destroy(int32_t device, fl_hal_event event);
void event_record(int32_t device, fl_hal_event event, fl_hal_stream stream);
void check_event(int32_t device, fl_hal_event event);
double event_elapsed(int32_t device, fl_hal_event start, fl_hal_event stop);

// module.cc: "module/1".
const fl_hal_module1* module_group();

// Registers what keeps every lock of the parts sound over fork. Called once, at the entry.
void memory_survives_fork();
void stream_survives_fork();
void module_survives_fork();

}  // namespace fl::drivers::host
#endif  // FLAGOS_DRIVERS_HOST_DRIVER_H_
