// The machine that the simulated accelerator is made of: devices with memory and streams, each stream an in-order queue
// with a thread of its own. It knows commands, not what they compute.
//
// Note [One monitor]: one mutex guards all of it, and one condition variable tells every change that somebody may wait
// for (a command done, a gate opened, a device lost). Data moves and kernels run outside it. That is slower than a
// real driver and easy to be sure of, which is what a simulation is for.
#ifndef FLAGOS_DRIVERS_SIM_ENGINE_H_
#define FLAGOS_DRIVERS_SIM_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "flagos/hal.h"

namespace fl::drivers::sim {

// A range of device or pinned memory. Everything here is guarded by the monitor.
struct Block {
  uint64_t begin;
  uint64_t size;           // as asked for
  uint64_t taken;          // with alignment and padding
  bool registered;         // pinned by host_register: the memory is the user's
  uint32_t in_flight = 0;  // commands that are enqueued or running and use it
};

class BlockMap {
 public:
  // The block that holds all of [begin, begin + size), or nullptr.
  std::shared_ptr<Block> find(uint64_t begin, uint64_t size) const;
  // The block that begins there, or nullptr.
  std::shared_ptr<Block> at(uint64_t begin) const;
  bool overlaps(uint64_t begin, uint64_t size) const;
  void add(std::shared_ptr<Block> block);
  void remove(uint64_t begin);
  const std::map<uint64_t, std::shared_ptr<Block>>& all() const { return blocks_; }

 private:
  std::map<uint64_t, std::shared_ptr<Block>> blocks_;
};

// A point in a stream that an event was recorded at. Shared by the event and by everyone who waits for the point, so
// that recording the event again, or destroying it, changes nothing for them.
struct Point {
  bool done = false;
  int64_t nanoseconds = 0;  // of the steady clock, once done
};

// One entry of a stream's queue. On a lost device `ready` is not waited for and `work` is left out.
struct Command {
  std::function<bool()> ready = {};   // may be empty; asked under the monitor until it says true
  std::function<void()> work = {};    // may be empty; runs outside the monitor; must not throw
  std::function<void()> finish = {};  // may be empty; runs under the monitor
  std::vector<std::shared_ptr<Block>> uses = {};
};

using Lock = std::unique_lock<std::mutex>;
struct Device;

// All members are called with the monitor held.
class Stream {
 public:
  explicit Stream(Device& device) : device_(device) {}

  // Enqueues and returns the command's ticket. Starts the stream's thread at the first command.
  uint64_t submit(Command command);
  bool idle() const { return completed_ == submitted_; }
  uint64_t last_ticket() const { return submitted_; }
  // Blocks until the command of that ticket is done, or dropped because the device was lost.
  void wait(Lock& lock, uint64_t ticket);
  // Waits for all of it, then ends the thread.
  void close(Lock& lock);

 private:
  void run();

  Device& device_;
  std::deque<Command> queue_;
  uint64_t submitted_ = 0, completed_ = 0;
  bool closing_ = false;
  std::condition_variable arrived_;
  std::thread thread_;
};

struct Device {
  int32_t index = 0;
  uint64_t window = 0;                // the first address of its memory
  std::atomic<bool> lost{false};      // written under the monitor
  BlockMap blocks;                    // live
  std::map<uint64_t, uint64_t> room;  // free ranges: begin -> size, never adjacent
  uint64_t used = 0;
  std::shared_ptr<Stream> default_stream;
  std::vector<std::shared_ptr<Stream>> streams;  // the others
  uint32_t failing_allocations = 0;              // sim/1: so many next ones fail
  std::optional<uint64_t> copy_gate;             // sim/1: copies wait for this gate
};

// What the entry read from the options.
struct Settings {
  int32_t devices = 2;
  uint64_t memory = uint64_t{1} << 30;  // bytes a device
  uint32_t copy_delay = 0;              // microseconds
};

class Engine {
 public:
  std::mutex mutex;                 // Note [One monitor]
  std::condition_variable changed;  // and its signal
  Settings settings;
  std::vector<std::unique_ptr<Device>> devices;
  BlockMap pinned;
  std::set<uint64_t> open_gates;

  // Bytes from a device address to where the workers see it: a power of two, the same for every device, and the same in
  // every process with the same settings, so that compiled kernels can be kept.
  uint64_t distance() const;
  // Reserves the windows; at the first call that needs one. Throws Error(FL_INTERNAL).
  void open();
  bool opened() const { return opened_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> opened_{false};
};

// The process's engine; never destroyed, because its threads may run while the process ends.
Engine& engine();

// One call of the driver table on one device: checks that the device can be used and holds the monitor.
class Call {
 public:
  // Throws Error(FL_INVALID_ARGUMENT) for a device that is not there, (FL_DEVICE_LOST) for a lost one unless `cleaning`
  // up after it, and (FL_UNSUPPORTED) in a forked child.
  enum class Purpose { kWork, kCleaning };
  explicit Call(int32_t device, Purpose purpose = Purpose::kWork);
  Device& device() { return *device_; }
  Lock& lock() { return lock_; }
  // After a wait: the device may have been lost meanwhile.
  void check_alive() const;

 private:
  Lock lock_;
  Device* device_;
};

// Throws Error(FL_UNSUPPORTED) in a child that was forked after the engine was opened: its threads and memory stayed in
// the parent.
void refuse_forked_child();
void check_device_index(int32_t device);

// Where a worker sees a device address.
template <typename T>
T* seen_by_worker(fl_addr address) {
  return reinterpret_cast<T*>(address + engine().distance());
}

}  // namespace fl::drivers::sim
#endif  // FLAGOS_DRIVERS_SIM_ENGINE_H_
