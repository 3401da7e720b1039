#include "runtime/device.h"

#include "base/error.h"
#include "base/log.h"
#include "runtime/block_pool.h"
#include "runtime/event.h"
#include "runtime/kernel.h"
#include "runtime/stream.h"

namespace fl::runtime {
namespace {

// One thing to do, by the driver's status.
const char* next_step(fl_status status) {
  switch (status) {
    case FL_OUT_OF_MEMORY:
      return "Free memory of this device or of the host and try again";
    case FL_INVALID_ARGUMENT:
      return "Check the arguments of this call";
    case FL_UNSUPPORTED:
      return "Use another device, or another target for this operator in the routing file";
    case FL_DEVICE_LOST:
      return "Its memory contents are gone: save what the host holds and restart the process";
    case FL_ABSENT:
      return "Run `flagos doctor` to see which drivers are usable";
    default:
      return "Run `flagos doctor` and send its output with this text to the driver's author";
  }
}

}  // namespace

Device::Device(const Driver& driver_, const fl_hal_device_info& info_, int32_t index_, int32_t ordinal_)
    : driver(driver_),
      api(driver_.api),
      info(info_),
      index(index_),
      ordinal(ordinal_),
      asynchronous(driver_.asynchronous()),
      streams(std::make_unique<StreamTable>(*this)),
      events(std::make_unique<EventPool>(*this)),
      memory(std::make_unique<BlockPool>(*this)),
      retired_kernels(std::make_unique<KernelRetirement>(*this)) {}

Device::~Device() = default;

std::string Device::name() const {
  return "flagos:" + std::to_string(index) + " (driver " + driver.name + ", device " + std::to_string(ordinal) + ")";
}

void Device::fail_unusable() const {
  if (condition_.load(std::memory_order_relaxed) == Condition::kForked) {
    throw Error(FL_UNSUPPORTED, name() +
                                    " was opened before this process was forked, and its driver does not work in the "
                                    "child. Use the device in the parent only, or start processes by `spawn`.");
  }
  throw Error(FL_DEVICE_LOST, name() + " was lost earlier and answers no more. " + next_step(FL_DEVICE_LOST) + ".");
}

std::string Device::failure_text(fl_status status, const char* what) {
  const char* text = api.last_error();
  if (status == FL_DEVICE_LOST) condition_.store(Condition::kLost, std::memory_order_relaxed);
  return name() + " cannot " + what + ": " + (text && *text ? text : status_name(status)) + ". " + next_step(status) +
         ".";
}

void Device::fail(fl_status status, const char* what) {
  // A status that no version of the table has must not reach a caller's switch.
  const bool known = status > FL_NOT_READY && status <= FL_INTERNAL;
  throw Error(known ? status : FL_INTERNAL, failure_text(status, what));
}

void Device::log_failure(fl_status status, const char* what) noexcept {
  guarded([&] { log(FL_LOG_ERROR, "%s", failure_text(status, what).c_str()); });
}

void Device::after_fork_in_child() noexcept {
  // An unopened device is refused as well: the parent may have opened the driver's library, which is enough to break
  // it.
  if (!driver.can(FL_CAP_FORK_SAFE)) condition_.store(Condition::kForked, std::memory_order_relaxed);
}

}  // namespace fl::runtime
