// The parts of the simulated accelerator behind the driver table; each throws fl::Error, driver.cc is the C boundary.
#ifndef FLAGOS_DRIVERS_SIM_DRIVER_H_
#define FLAGOS_DRIVERS_SIM_DRIVER_H_

#include <cstdint>
#include <memory>

#include "drivers/sim/engine.h"
#include "flagos/hal.h"

namespace fl::drivers::sim {

// memory.cc. A block that a command in flight uses is never given back: releasing it is refused.
fl_addr allocate(int32_t device, uint64_t size);
void release(int32_t device, fl_addr address);
void memory_info(int32_t device, uint64_t* free_bytes, uint64_t* total_bytes);
void* host_allocate(uint64_t size);
void host_release(void* pointer);
void host_register(void* pointer, uint64_t size);
void host_unregister(void* pointer);
// The block that holds all of the range; throws Error(FL_INVALID_ARGUMENT) naming `what` when none does. With the
// monitor.
std::shared_ptr<Block> block_of(const Device& device, fl_addr address, uint64_t size, const char* what);

// copy.cc
void copy(int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size);
void copy_peer(int32_t device, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device, fl_addr src,
               uint64_t size);
void fill(int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
          uint64_t count);

// stream.cc
// The stream behind a handle, NULL being the default stream. With the monitor.
Stream& stream_of(Device& device, fl_hal_stream stream);
fl_hal_stream stream_create(int32_t device);
void stream_destroy(int32_t device, fl_hal_stream stream);
fl_status stream_query(int32_t device, fl_hal_stream stream);
void stream_synchronize(int32_t device, fl_hal_stream stream);
void stream_wait(int32_t device, fl_hal_stream stream, fl_hal_event event);
void* stream_native(int32_t device, fl_hal_stream stream);
void device_synchronize(int32_t device);
fl_hal_event event_create(int32_t device, int32_t timing);
void event_destroy(int32_t device, fl_hal_event event);
void event_record(int32_t device, fl_hal_event event, fl_hal_stream stream);
fl_status event_query(int32_t device, fl_hal_event event);
void event_synchronize(int32_t device, fl_hal_event event);
fl_status event_elapsed(int32_t device, fl_hal_event start, fl_hal_event stop, double* milliseconds);

// The optional groups; groups.cc has hostfunc/1, signal/1 and peer/1.
const fl_hal_module1* module_group();
const fl_hal_hostfunc1* hostfunc_group();
const fl_hal_signal1* signal_group();
const fl_hal_peer1* peer_group();
const void* control_group();  // sim_control.h

}  // namespace fl::drivers::sim
#endif  // FLAGOS_DRIVERS_SIM_DRIVER_H_
