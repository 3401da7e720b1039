// What a conformance check is, and what it says things with. A check is a function that gets the driver and returns
// when all is well; it throws Failed with a text, or Skipped with a reason. It prints nothing and leaves nothing
// behind.
#ifndef FLAGOS_DRIVERS_CONFORMANCE_SUITE_H_
#define FLAGOS_DRIVERS_CONFORMANCE_SUITE_H_

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/text.h"
#include "flagos/hal.h"

namespace fl::conformance {

struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Skipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The driver under test, on one of its devices.
struct Subject {
  const fl_driver& driver;
  int32_t devices;
  int32_t device;

  bool can(uint32_t capability) const { return (driver.capabilities & capability) != 0; }
  template <typename Group>
  const Group* group(const char* name) const {
    return driver.group ? static_cast<const Group*>(driver.group(name)) : nullptr;
  }
  template <typename Group>
  const Group& need_group(const char* name) const {
    const Group* const found = group<Group>(name);
    if (!found) throw Skipped(std::string("the driver has no ") + name);
    return *found;
  }

  // Throws Failed with the driver's text unless the status is FL_OK.
  void ok(fl_status status, const std::string& what) const;
  // Throws Failed unless the status is `wanted` (any failure when FL_OK is passed) and last_error() has a text.
  void refused(fl_status status, fl_status wanted, const std::string& what) const;
};

void expect(bool condition, const std::string& text);

struct Check {
  const char* name;  // "copies/round_trips"
  void (*run)(const Subject& subject);
};
std::span<const Check> table_checks();
std::span<const Check> memory_checks();
std::span<const Check> copy_checks();
std::span<const Check> stream_checks();
std::span<const Check> event_checks();
std::span<const Check> error_checks();
std::span<const Check> thread_checks();
std::span<const Check> group_checks();
std::span<const Check> module_checks();

// ---- Objects of the driver that go with the scope. Their destructors never throw: a failed release is a check's own
// business, which calls the driver directly. ----

class Memory {
 public:
  Memory(const Subject& subject, uint64_t size) : subject_(subject), size_(size) {
    subject.ok(subject.driver.allocate(subject.device, size, &address_),
               formatted("allocate of %llu bytes", as_ull(size)));
  }
  ~Memory() {
    subject_.driver.device_synchronize(subject_.device);
    subject_.driver.release(subject_.device, address_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  fl_addr address() const { return address_; }
  uint64_t size() const { return size_; }

 private:
  static unsigned long long as_ull(uint64_t value) { return value; }
  const Subject subject_;
  uint64_t size_;
  fl_addr address_ = 0;
};

class Stream {
 public:
  explicit Stream(const Subject& subject, int32_t priority = 0) : subject_(subject) {
    subject.ok(subject.driver.stream_create(subject.device, priority, &handle_), "stream_create");
  }
  ~Stream() { subject_.driver.stream_destroy(subject_.device, handle_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator fl_hal_stream() const { return handle_; }

 private:
  const Subject subject_;
  fl_hal_stream handle_ = nullptr;
};

class Event {
 public:
  explicit Event(const Subject& subject, bool timing = false) : subject_(subject) {
    subject.ok(subject.driver.event_create(subject.device, timing, &handle_), "event_create");
  }
  ~Event() { subject_.driver.event_destroy(subject_.device, handle_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator fl_hal_event() const { return handle_; }

 private:
  const Subject subject_;
  fl_hal_event handle_ = nullptr;
};

class Pinned {
 public:
  Pinned(const Subject& subject, uint64_t size) : subject_(subject), size_(size) {
    subject.ok(subject.driver.host_allocate(size, &pointer_), "host_allocate");
  }
  ~Pinned() {
    for (int32_t device = 0; device < subject_.devices; ++device) subject_.driver.device_synchronize(device);
    subject_.driver.host_release(pointer_);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  char* data() const { return static_cast<char*>(pointer_); }
  uint64_t size() const { return size_; }

 private:
  const Subject subject_;
  uint64_t size_;
  void* pointer_ = nullptr;
};

// ---- Bytes that are easy to tell apart ----

// `size` bytes that differ from place to place and from seed to seed.
std::vector<char> noise(uint64_t size, uint32_t seed);
// Copies through the stream and waits; `offset` is in the device memory.
void write(const Subject& subject, const Memory& memory, const std::vector<char>& bytes, uint64_t offset = 0,
           fl_hal_stream stream = nullptr);
std::vector<char> read(const Subject& subject, const Memory& memory, uint64_t size, uint64_t offset = 0,
                       fl_hal_stream stream = nullptr);
// Throws Failed naming the first byte that differs.
void expect_same(const std::vector<char>& got, const std::vector<char>& wanted, const std::string& what);

inline uint64_t host_address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace fl::conformance
#endif  // FLAGOS_DRIVERS_CONFORMANCE_SUITE_H_
