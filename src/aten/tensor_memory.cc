// Where a tensor's memory lies, for the launcher of Triton kernels: it is called for each tensor of each launch, and
// knows no PyTorch. The launcher finds the function by its name in this library.
#include <c10/core/TensorImpl.h>
#include <c10/util/Exception.h>

#include <cstdint>

#include "aten/current.h"
#include "flagos/base.h"

namespace {

constexpr int32_t kHostMemory = -1;  // as in launcher/tensors.h
constexpr int32_t kAskPython = -3;   // a device that is not served, or a tensor without memory of its own

int32_t device_of(const c10::TensorImpl& tensor) {
  const c10::Device device = tensor.device();
  if (device.is_cpu()) return kHostMemory;
  if (device.type() != flagos::kFlagos) return kAskPython;
  const flagos::DeviceFacts& facts = flagos::device_facts(device.index());
  return facts.host_access && !facts.asynchronous ? kHostMemory : device.index();
}

}  // namespace

// What Tensor.data_ptr() gives, in *address, and the device: kHostMemory, the index of a flagos device, or kAskPython,
// with *address untouched. `tensor` is a c10::TensorImpl.
extern "C" FL_EXPORT int32_t fl_tensor_memory(const void* tensor, uint64_t* address) noexcept {
  // data_ptr() of Python promises memory that may be written, and so does this: copy-on-write ends here.
  auto* const impl = static_cast<c10::TensorImpl*>(const_cast<void*>(tensor));
  if (!impl->has_storage()) return kAskPython;
  try {
    const int32_t device = device_of(*impl);
    if (device != kAskPython) *address = reinterpret_cast<uint64_t>(impl->mutable_data());
    return device;
  } catch (const c10::Error&) {
    return kAskPython;  // which raises it where Python can show it
  }
}
