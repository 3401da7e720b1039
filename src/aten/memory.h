// PyTorch's allocators over the core's caching pools.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "aten/current.h"

namespace flagos {

// Allocates on one device, in the current stream of the calling thread. Lives as long as the process.
c10::Allocator* device_allocator(c10::DeviceIndex device);
// The same memory labelled "cpu": for storages that stand in for the device's while a CPU kernel runs, so that a resize
// inside the kernel lands in the device's pool. Only for devices with host access.
c10::Allocator* host_labelled_allocator(c10::DeviceIndex device);
// The block behind a DataPtr that one of the two made; nullptr for any other.
fl_block* block_of(const c10::DataPtr& data);
// Memory of `device`, for a storage of `nbytes` bytes; nullptr data for 0.
c10::DataPtr allocate_on(c10::DeviceIndex device, size_t nbytes);

// What PyTorch asks for by device type; allocates on the current device.
c10::DeviceAllocator* caching_allocator();

}  // namespace flagos
