// fl_kernel_* and fl_launch: the C boundary of kernels.
#include "base/error.h"
#include "runtime/devices.h"
#include "runtime/kernel.h"

using fl::guarded;
using fl::runtime::Device;
using fl::runtime::Devices;

namespace {
thread_local uint64_t launched = 0;
}

fl_status fl_kernel_load(int32_t device, const fl_kernel_image* image, fl_kernel** kernel) {
  return guarded([&] {
    if (!image || image->struct_size < sizeof(fl_kernel_image) || !image->kind || !image->function || !kernel) {
      fl::fail(FL_INVALID_ARGUMENT, "A kernel image needs its struct_size, kind and function set.");
    }
    fl_kernel_image checked = *image;
    if (!checked.module) checked.module = checked.function;
    *kernel = fl::runtime::load_kernel(Devices::get().at(device), checked);
  });
}

void fl_kernel_retain(fl_kernel* kernel) { kernel->references.fetch_add(1, std::memory_order_relaxed); }

void fl_kernel_release(fl_kernel* kernel) {
  if (!kernel || kernel->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  kernel->device->retired_kernels->retire(kernel);
}

fl_status fl_launch(fl_kernel* kernel, const fl_launch_config* config, const fl_arg* args, uint32_t arg_count,
                    fl_stream* stream) {
  if (kernel && stream && kernel->device == stream->device && kernel->device->usable()) [[likely]] {
    Device& device = *kernel->device;
    if (device.asynchronous) {
      const uint64_t bit = uint64_t{1} << (stream->id % 64);
      std::atomic<uint64_t>& word = kernel->launched_on[stream->id / 64];
      if (!(word.load(std::memory_order_relaxed) & bit)) word.fetch_or(bit, std::memory_order_relaxed);
    }
    const fl_status status =
        device.driver.module.launch(device.ordinal, stream->handle, kernel->function, config, args, arg_count);
    if (status == FL_OK) [[likely]] {
      ++launched;
      return FL_OK;
    }
    return guarded([&] { device.check(status, "launch a kernel"); });
  }
  return guarded([&] {
    if (!kernel || !stream) fl::fail(FL_INVALID_ARGUMENT, "A launch needs a kernel and a stream.");
    kernel->device->require_usable();
    fl::fail(FL_INVALID_ARGUMENT,
             "A kernel of flagos:%d cannot be launched on a stream of flagos:%d. Load it on that device.",
             kernel->device->index, stream->device->index);
  });
}

uint64_t fl_launch_count(void) { return launched; }
