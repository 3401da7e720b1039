// One flagos device: a driver and an ordinal, with everything that lives on it, and the texts of its failures.
//
// Not here: finding drivers (driver_list.h) and the dense numbering (devices.h).
#ifndef FLAGOS_RUNTIME_DEVICE_H_
#define FLAGOS_RUNTIME_DEVICE_H_

#include <atomic>
#include <memory>
#include <string>

#include "runtime/driver_table.h"

namespace fl::runtime {

class BlockPool;
class EventPool;
class KernelRetirement;
class StreamTable;

class Device {
 public:
  Device(const Driver& driver, const fl_hal_device_info& info, int32_t index, int32_t ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Driver& driver;
  const fl_driver& api;
  const fl_hal_device_info info;
  const int32_t index;      // N of flagos:N
  const int32_t ordinal;    // the driver's own number
  const bool asynchronous;  // false: streams are always idle, and no event is needed to order anything
  std::atomic<bool> opened{false};

  std::unique_ptr<StreamTable> streams;
  std::unique_ptr<EventPool> events;
  std::unique_ptr<BlockPool> memory;
  std::unique_ptr<KernelRetirement> retired_kernels;

  bool usable() const noexcept { return condition_.load(std::memory_order_relaxed) == Condition::kUsable; }
  // Throws the one error of a device that is lost, or that was opened before a fork.
  void require_usable() const {
    if (!usable()) [[unlikely]]
      fail_unusable();
  }

  // Throws unless FL_OK: "flagos:0 (driver sim, device 0) cannot <what>: <the driver's text>. <one thing to do>".
  void check(fl_status status, const char* what) {
    if (status != FL_OK) [[unlikely]]
      fail(status, what);
  }
  // The same for a question: FL_OK and FL_NOT_READY are answers.
  fl_status answer(fl_status status, const char* what) {
    if (status != FL_OK && status != FL_NOT_READY) [[unlikely]]
      fail(status, what);
    return status;
  }
  [[noreturn]] void fail(fl_status status, const char* what);

  // For calls that cannot fail towards the user: logs the same text and remembers a lost device.
  void log_failure(fl_status status, const char* what) noexcept;

  std::string name() const;  // "flagos:0 (driver sim, device 0)"

  // In the child of a fork: a device whose driver does not survive a fork is unusable from here on.
  void after_fork_in_child() noexcept;

 private:
  enum class Condition : int { kUsable, kLost, kForked };

  [[noreturn]] void fail_unusable() const;
  std::string failure_text(fl_status status, const char* what);

  std::atomic<Condition> condition_{Condition::kUsable};
};

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_DEVICE_H_
