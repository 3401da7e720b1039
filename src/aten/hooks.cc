// What PyTorch asks of an accelerator outside of tensors: is it there, its generators, pinned memory, storage resizing.
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>

#include "aten/current.h"
#include "aten/errors.h"
#include "aten/generator.h"
#include "aten/structural.h"

namespace flagos {
namespace {

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return device_count_or_zero() > 0; }
  // True makes autograd and pin-memory threads touch the device, so it is so only once this process has opened it.
  bool hasPrimaryContext(c10::DeviceIndex device) const override {
    return device >= 0 && device < device_count_or_zero() && fl_device_opened(device) != 0;
  }
  c10::DeviceIndex deviceCount() const override { return device_count_or_zero(); }
  c10::DeviceIndex getCurrentDevice() const override { return current_device(); }
  void setCurrentDevice(c10::DeviceIndex device) const override { set_current_device(device); }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex device) const override {
    const auto previous = current_device();
    set_current_device(device);
    return previous;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex device) const override {
    return device < 0 ? current_device() : exchangeDevice(device);
  }

  bool isPinnedPtr(const void* pointer) const override { return fl_pinned_contains(pointer) != 0; }
  c10::Allocator* getPinnedMemoryAllocator() const override { return at::getHostAllocator(kFlagos); }
  c10::Device getDeviceFromPtr(void* pointer) const override {
    fl_block found{};
    check(fl_block_find(reinterpret_cast<fl_addr>(pointer), &found));
    return {kFlagos, static_cast<c10::DeviceIndex>(found.device)};
  }

  const at::Generator& getDefaultGenerator(c10::DeviceIndex device) const override { return default_generator(device); }
  at::Generator getNewGenerator(c10::DeviceIndex device) const override { return new_generator(device); }

  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t nbytes) const override {
    resize_storage(storage.unsafeGetStorageImpl(), nbytes);
  }
};

const bool registered = [] {
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

}  // namespace
}  // namespace flagos
