// Bad input: each is a status with a text, and the driver goes on working. Handles that were never the driver's are not
// tried: the contract does not ask for their detection.
#include <thread>

#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

void a_device_that_is_not_there(const Subject& subject) {
  const fl_driver& driver = subject.driver;
  const Pinned pinned(subject, 64);
  const uint64_t value = 0;
  for (const int32_t device : {-1, subject.devices, INT32_MAX, INT32_MIN}) {
    const auto refused = [&](fl_status status, const char* what) {
      subject.refused(status, FL_INVALID_ARGUMENT, formatted("%s on device %d", what, device));
    };
    fl_hal_device_info info{};
    info.struct_size = sizeof(info);
    fl_addr address = 0;
    uint64_t free_bytes = 0, total_bytes = 0;
    fl_hal_stream stream = nullptr;
    fl_hal_event event = nullptr;
    void* native = nullptr;
    refused(driver.device_info(device, &info), "device_info");
    refused(driver.device_synchronize(device), "device_synchronize");
    refused(driver.allocate(device, 64, &address), "allocate");
    refused(driver.release(device, 64), "release");
    refused(driver.memory_info(device, &free_bytes, &total_bytes), "memory_info");
    refused(driver.copy(device, nullptr, FL_COPY_ON_DEVICE, 64, 128, 8), "copy");
    refused(driver.fill(device, nullptr, 64, &value, 8, 1), "fill");
    refused(driver.stream_create(device, 0, &stream), "stream_create");
    refused(driver.stream_query(device, nullptr), "stream_query");
    refused(driver.stream_synchronize(device, nullptr), "stream_synchronize");
    refused(driver.stream_native(device, nullptr, &native), "stream_native");
    refused(driver.event_create(device, 0, &event), "event_create");
  }
}

void a_range_that_is_no_memory(const Subject& subject) {
  const fl_driver& driver = subject.driver;
  const Memory memory(subject, 4096);
  std::vector<char> bytes(64);
  const uint64_t value = 0;
  const auto refused = [&](fl_status status, const char* what) { subject.refused(status, FL_INVALID_ARGUMENT, what); };
  refused(driver.copy(subject.device, nullptr, FL_COPY_HOST_TO_DEVICE, 0, host_address(bytes.data()), 64),
          "copy to address 0");
  refused(driver.copy(subject.device, nullptr, FL_COPY_DEVICE_TO_HOST, host_address(bytes.data()), 0, 64),
          "copy from address 0");
  refused(driver.copy(subject.device, nullptr, FL_COPY_DEVICE_TO_HOST, 0, memory.address(), 64),
          "copy to a null host pointer");
  refused(
      driver.copy(subject.device, nullptr, FL_COPY_ON_DEVICE, memory.address(), memory.address() + 64, UINT64_MAX - 8),
      "copy of 2^64 - 9 bytes");
  refused(
      driver.copy(subject.device, nullptr, static_cast<fl_copy_kind>(3), memory.address(), memory.address() + 64, 8),
      "copy of an unknown kind");
  refused(driver.fill(subject.device, nullptr, 0, &value, 8, 1), "fill at address 0");
  refused(driver.fill(subject.device, nullptr, memory.address(), &value, 8, UINT64_MAX / 4), "fill of 2^65 bytes");
}

void a_pattern_of_another_size(const Subject& subject) {
  const Memory memory(subject, 4096);
  write(subject, memory, noise(4096, 31));
  const char pattern[64] = {};
  for (const uint32_t size : {0u, 3u, 5u, 12u, 17u, 32u, 64u, UINT32_MAX})
    subject.refused(subject.driver.fill(subject.device, nullptr, memory.address(), pattern, size, 1),
                    FL_INVALID_ARGUMENT, formatted("fill with a pattern of %u bytes", size));
  expect_same(read(subject, memory, 4096), noise(4096, 31), "memory after fills that were refused");
}

void an_event_that_is_none(const Subject& subject) {
  const fl_driver& driver = subject.driver;
  subject.refused(driver.event_query(subject.device, nullptr), FL_INVALID_ARGUMENT, "event_query of NULL");
  subject.refused(driver.event_synchronize(subject.device, nullptr), FL_INVALID_ARGUMENT, "event_synchronize of NULL");
  subject.refused(driver.event_record(subject.device, nullptr, nullptr), FL_INVALID_ARGUMENT, "event_record of NULL");
  subject.refused(driver.event_destroy(subject.device, nullptr), FL_INVALID_ARGUMENT, "event_destroy of NULL");
  subject.refused(driver.stream_wait(subject.device, nullptr, nullptr), FL_INVALID_ARGUMENT, "stream_wait for NULL");
  subject.refused(driver.stream_destroy(subject.device, nullptr), FL_INVALID_ARGUMENT,
                  "stream_destroy of the default stream");
}

void a_handle_of_another_device(const Subject& subject) {
  if (subject.devices < 2) throw Skipped("the driver has one device");
  const Subject other{subject.driver, subject.devices, (subject.device + 1) % subject.devices};
  const Stream stream(other);
  const Event event(other);
  const Memory memory(other, 64);
  const auto refused = [&](fl_status status, const char* what) { subject.refused(status, FL_INVALID_ARGUMENT, what); };
  refused(subject.driver.stream_synchronize(subject.device, stream), "a stream of another device");
  refused(subject.driver.event_record(subject.device, event, nullptr), "an event of another device");
  refused(subject.driver.release(subject.device, memory.address()), "a block of another device");
}

// One thread's failure is another thread's nothing.
void texts_belong_to_their_thread(const Subject& subject) {
  fl_addr address = 0;
  subject.refused(subject.driver.allocate(-7, 64, &address), FL_INVALID_ARGUMENT, "allocate on device -7");
  const std::string mine = subject.driver.last_error();
  std::string problem;
  std::thread([&] {
    double milliseconds = 0;
    const fl_status status = subject.driver.event_elapsed(subject.device, nullptr, nullptr, &milliseconds);
    if (status == FL_OK || mine == subject.driver.last_error()) problem = "a thread sees another thread's last_error()";
  }).join();
  expect(problem.empty(), problem);
}

void the_driver_goes_on_working(const Subject& subject) {
  const Memory memory(subject, 4096);
  write(subject, memory, noise(4096, 32));
  expect_same(read(subject, memory, 4096), noise(4096, 32), "a copy after all the errors");
}

constexpr Check kChecks[] = {
    {"errors/a_device_that_is_not_there", a_device_that_is_not_there},
    {"errors/a_range_that_is_no_memory", a_range_that_is_no_memory},
    {"errors/a_pattern_of_another_size", a_pattern_of_another_size},
    {"errors/an_event_that_is_none", an_event_that_is_none},
    {"errors/a_handle_of_another_device", a_handle_of_another_device},
    {"errors/texts_belong_to_their_thread", texts_belong_to_their_thread},
    {"errors/the_driver_goes_on_working", the_driver_goes_on_working},
};

}  // namespace

std::span<const Check> error_checks() { return kChecks; }

}  // namespace fl::conformance
