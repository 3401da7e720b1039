#include "runtime/kernel.h"

#include <memory>
#include <string>

#include "base/error.h"
#include "runtime/devices.h"

namespace fl::runtime {
namespace {

bool takes_kind(const fl_hal_module1& module, const char* kind, std::string* known) {
  for (const char* const* taken = module.image_kinds; *taken; ++taken) {
    if (std::string_view(*taken) == kind) return true;
    *known += (known->empty() ? "" : ", ") + std::string(*taken);
  }
  return false;
}

}  // namespace

fl_kernel* load_kernel(Device& device, const fl_kernel_image& image) {
  device.require_usable();
  device.retired_kernels->unload_finished();
  const fl_hal_module1& driver = device.driver.module;
  if (!driver.struct_size) {
    fl::fail(FL_UNSUPPORTED,
             "%s cannot load the kernel %s: its driver has no \"module/1\". Route the operator to another target.",
             device.name().c_str(), image.function);
  }
  std::string known;
  if (!takes_kind(driver, image.kind, &known)) {
    fl::fail(FL_UNSUPPORTED,
             "%s cannot load the kernel %s: its driver takes no image of kind \"%s\" (it takes: %s). Compile it for "
             "one of these.",
             device.name().c_str(), image.function, image.kind, known.c_str());
  }
  const std::string what = std::string("load the kernel ") + image.function;
  auto kernel = std::make_unique<fl_kernel>();
  kernel->device = &device;
  device.check(driver.load(device.ordinal, image.kind, image.module, image.data, image.size, image.resolver,
                           image.resolver_context, &kernel->module),
               what.c_str());
  const fl_status status = driver.function(device.ordinal, kernel->module, image.function, &kernel->function);
  if (status != FL_OK) {
    // The text of the failure must be read before the unload replaces it.
    const fl_status reported = guarded([&] { device.fail(status, what.c_str()); });
    const std::string text = fl_last_error();
    driver.unload(device.ordinal, kernel->module);
    throw Error(reported, text);
  }
  device.opened.store(true, std::memory_order_relaxed);
  return kernel.release();
}

void KernelRetirement::retire(fl_kernel* kernel) noexcept {
  if (exiting()) return;
  std::vector<fl_stream*> streams;
  const fl_status listed = guarded([&] {
    for (int32_t id = 0; id < StreamTable::kStreams; ++id) {
      const uint64_t bits = kernel->launched_on[id / 64].load(std::memory_order_relaxed);
      if (bits >> (id % 64) & 1) streams.push_back(device_.streams->from_id(id));
    }
  });
  if (listed != FL_OK) return;  // no memory to find out who runs it: it stays loaded
  if (streams.empty() || deferred_.add(kernel, streams)) unload(kernel);
  unload_finished();
}

void KernelRetirement::unload_finished() noexcept {
  guarded([&] {
    std::vector<void*> finished;
    deferred_.poll(&finished);
    for (void* kernel : finished) unload(static_cast<fl_kernel*>(kernel));
  });
}

void KernelRetirement::unload(fl_kernel* kernel) noexcept {
  if (device_.usable()) {
    const fl_status status = device_.driver.module.unload(device_.ordinal, kernel->module);
    if (status != FL_OK) device_.log_failure(status, "unload a kernel");
  }
  delete kernel;
}

}  // namespace fl::runtime
