// The devices of this process: the dense numbering of flagos:N, found at the first call that needs one.
#ifndef FLAGOS_RUNTIME_DEVICES_H_
#define FLAGOS_RUNTIME_DEVICES_H_

#include <memory>
#include <vector>

#include "runtime/device.h"
#include "runtime/driver_list.h"
#include "runtime/pinned.h"

namespace fl::runtime {

class Devices {
 public:
  explicit Devices(std::unique_ptr<DriverList> drivers);

  // The process's devices. The first call finds the drivers. They are never destroyed: blocks, events and kernels are
  // released by other libraries' exit handlers, at any time.
  static Devices& get();

  // How many there are; throws when FLAGOS_DRIVER asks for what cannot be had.
  int32_t count() const;
  // Throws FL_INVALID_ARGUMENT for an index out of range.
  Device& at(int32_t index) const;
  const std::vector<std::unique_ptr<Device>>& all() const { return devices_; }
  DriverList& drivers() { return *drivers_; }
  PinnedPool& pinned() { return pinned_; }

  // A test seam: until its end, `get` answers with these devices.
  class Scoped {
   public:
    explicit Scoped(std::unique_ptr<DriverList> drivers);
    ~Scoped();
    Scoped(const Scoped&) = delete;
    Scoped& operator=(const Scoped&) = delete;

   private:
    Devices* outer_;
  };

 private:
  std::unique_ptr<DriverList> drivers_;
  std::vector<std::unique_ptr<Device>> devices_;
  PinnedPool pinned_;
};

// True once the process runs its exit handlers: from then on a release makes no call into a driver, whose own library
// may already have been torn down.
bool exiting() noexcept;

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_DEVICES_H_
