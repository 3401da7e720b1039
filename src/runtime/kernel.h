// Kernels: a module of the driver's with one of its functions, counted, unloaded when nobody holds it and no stream
// runs it.
#ifndef FLAGOS_RUNTIME_KERNEL_H_
#define FLAGOS_RUNTIME_KERNEL_H_

#include <atomic>
#include <vector>

#include "flagos/runtime.h"
#include "runtime/deferred.h"
#include "runtime/device.h"
#include "runtime/stream.h"

struct fl_kernel {
  fl::runtime::Device* device;
  fl_hal_module module;
  fl_hal_function function;
  std::atomic<int64_t> references{1};
  // The streams that launched it, a bit an id: what the unload waits for.
  std::atomic<uint64_t> launched_on[(fl::runtime::StreamTable::kStreams + 63) / 64]{};
};

namespace fl::runtime {

// Kernels without an owner that may still run, a list a device.
class KernelRetirement {
 public:
  explicit KernelRetirement(Device& device) : device_(device) {}

  void retire(fl_kernel* kernel) noexcept;
  void unload_finished() noexcept;

  void lock_for_fork() { deferred_.lock_for_fork(); }
  void unlock_after_fork() { deferred_.unlock_after_fork(); }

 private:
  void unload(fl_kernel* kernel) noexcept;

  Device& device_;
  Deferred deferred_;
};

fl_kernel* load_kernel(Device& device, const fl_kernel_image& image);

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_KERNEL_H_
