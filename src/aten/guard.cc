// What PyTorch's autograd, streams and device contexts ask of a device: current device, streams, events.
// Runs without the GIL and never takes it. A device index of -1 always means the current device: handing -1 back makes
// autograd index its tables out of bounds.
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "aten/current.h"
#include "aten/errors.h"
#include "aten/memory.h"

namespace flagos {
namespace {

fl_event* event_of(void* event) { return static_cast<fl_event*>(event); }

bool ready(fl_status status) {
  if (status == FL_NOT_READY) return false;
  check(status);
  return true;
}

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kFlagos; }

  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device previous(kFlagos, current_device());
    if (device.index() != previous.index()) set_current_device(device.index());
    return previous;
  }
  c10::Device getDevice() const override { return {kFlagos, current_device()}; }
  void setDevice(c10::Device device) const override { set_current_device(device.index()); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { set_current_device_unchecked(device.index()); }

  c10::DeviceIndex deviceCount() const noexcept override { return device_count_or_zero(); }
  c10::DeviceCapability getDeviceCapability(c10::Device /*device*/) const override { return {}; }  // every dtype

  c10::Stream getStream(c10::Device device) const override {
    return to_torch(current_stream(resolve_device(device.index())));
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    fl_stream* stream = nullptr;
    check(fl_stream_default(resolve_device(device.index()), &stream));
    return to_torch(stream);
  }
  c10::Stream getNewStream(c10::Device device, int priority) const override {
    fl_stream* stream = nullptr;
    check(fl_stream_from_pool(resolve_device(device.index()), priority, &stream));
    return to_torch(stream);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool high_priority) const override {
    return getNewStream(device, high_priority ? -1 : 0);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    auto* next = from_torch(stream);
    auto* previous = current_stream(static_cast<c10::DeviceIndex>(fl_stream_device(next)));
    set_current_stream(next);
    return to_torch(previous);
  }
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    void* native = nullptr;
    check(fl_stream_native(from_torch(stream), &native));
    return native;
  }
  bool queryStream(const c10::Stream& stream) const override { return ready(fl_stream_query(from_torch(stream))); }
  void synchronizeStream(const c10::Stream& stream) const override { check(fl_stream_synchronize(from_torch(stream))); }
  void synchronizeDevice(const c10::DeviceIndex device) const override {
    check(fl_device_synchronize(resolve_device(device)));
  }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    caching_allocator()->recordStream(data, stream);
  }

  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex device,
              const c10::EventFlag flag) const override {
    auto* on = from_torch(stream);
    TORCH_CHECK_VALUE(device < 0 || device == fl_stream_device(on),
                      "flagos: an event of flagos:", static_cast<int>(device),
                      " cannot be recorded on a stream of flagos:", fl_stream_device(on));
    if (*event == nullptr) {
      fl_event* made = nullptr;
      check(fl_event_create(fl_stream_device(on), flag == c10::EventFlag::BACKEND_DEFAULT, &made));
      *event = made;
    }
    check(fl_event_record(event_of(*event), on));
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event != nullptr) check(fl_stream_wait(from_torch(stream), event_of(event)));
  }
  bool queryEvent(void* event) const override { return event == nullptr || ready(fl_event_query(event_of(event))); }
  void synchronizeEvent(void* event) const override {
    if (event != nullptr) check(fl_event_synchronize(event_of(event)));
  }
  double elapsedTime(void* start, void* stop, const c10::DeviceIndex /*device*/) const override {
    TORCH_CHECK_VALUE(start != nullptr && stop != nullptr, "flagos: elapsed_time needs two events that were recorded");
    double milliseconds = 0;
    check(fl_event_elapsed(event_of(start), event_of(stop), &milliseconds));
    return milliseconds;
  }
  void destroyEvent(void* event, const c10::DeviceIndex /*device*/) const noexcept override {
    if (event != nullptr) fl_event_destroy(event_of(event));
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

}  // namespace
}  // namespace flagos

// The native handle of the calling thread's current stream on a device: what kernel libraries built for the reference
// plugin look up by this name.
extern "C" FL_EXPORT void* GetCurrentStream(int device) {
  void* native = nullptr;
  flagos::check(
      fl_stream_native(flagos::current_stream(flagos::resolve_device(static_cast<c10::DeviceIndex>(device))), &native));
  return native;
}
