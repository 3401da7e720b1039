#include "runtime/devices.h"

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "base/env.h"
#include "base/error.h"
#include "drivers/linked_in.h"
#include "runtime/fork.h"

namespace fl::runtime {
namespace {

std::atomic<Devices*> current{nullptr};
std::atomic<bool> exit_began{false};

std::unique_ptr<DriverList> find_drivers() {
  std::vector<LinkedDriver> linked;
  for (const drivers::LinkedIn& driver : drivers::linked_in()) linked.push_back({driver.name, driver.entry});
  return std::make_unique<DriverList>(linked, driver_folders(), env::list("FLAGOS_DRIVER"));
}

// Prepares what outlives every test seam and every device: fork handlers and the exit mark. Drivers register their own
// exit handlers when they are opened, before this, so that ours runs first.
void prepare_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    install_fork_handlers();
    std::atexit([] { exit_began.store(true, std::memory_order_relaxed); });
  });
}

}  // namespace

bool exiting() noexcept { return exit_began.load(std::memory_order_relaxed); }

Devices::Devices(std::unique_ptr<DriverList> drivers) : drivers_(std::move(drivers)) {
  for (DriverList::Row* row : drivers_->selected()) {
    for (const fl_hal_device_info& info : row->devices) {
      const int32_t ordinal = static_cast<int32_t>(&info - row->devices.data());
      devices_.push_back(std::make_unique<Device>(*row->driver, info, static_cast<int32_t>(devices_.size()), ordinal));
    }
  }
  pinned_.attach(devices_.empty() ? nullptr : devices_.front().get());
}

Devices& Devices::get() {
  if (Devices* devices = current.load(std::memory_order_acquire)) [[likely]] {
    return *devices;
  }
  static std::mutex finding;
  const std::lock_guard lock(finding);
  if (Devices* devices = current.load(std::memory_order_acquire)) return *devices;
  auto devices = std::make_unique<Devices>(find_drivers());
  prepare_process();
  current.store(devices.get(), std::memory_order_release);
  return *devices.release();
}

int32_t Devices::count() const {
  if (drivers_->status() != FL_OK) throw Error(drivers_->status(), drivers_->reason());
  return static_cast<int32_t>(devices_.size());
}

Device& Devices::at(int32_t index) const {
  if (static_cast<size_t>(index) < devices_.size()) [[likely]] {
    return *devices_[static_cast<size_t>(index)];
  }
  const int32_t known = count();
  if (known == 0)
    fl::fail(FL_ABSENT, "There is no flagos device here. Run `flagos doctor` to see why each driver is absent.");
  fl::fail(FL_INVALID_ARGUMENT, "flagos:%d does not exist: there %s %d device%s. Use an index from 0 to %d.", index,
           known == 1 ? "is" : "are", known, known == 1 ? "" : "s", known - 1);
}

Devices::Scoped::Scoped(std::unique_ptr<DriverList> drivers) {
  prepare_process();
  outer_ = current.exchange(new Devices(std::move(drivers)), std::memory_order_acq_rel);
}

Devices::Scoped::~Scoped() {
  // Kept: a test may have left blocks and events behind, which point into the devices.
  static auto* kept = new std::vector<Devices*>;
  kept->push_back(current.exchange(outer_, std::memory_order_acq_rel));
}

}  // namespace fl::runtime
