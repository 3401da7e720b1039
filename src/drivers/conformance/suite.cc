#include "drivers/conformance/suite.h"

#include "base/error.h"

namespace fl::conformance {

void Subject::ok(fl_status status, const std::string& what) const {
  if (status == FL_OK) return;
  const char* const text = driver.last_error();
  throw Failed(what + ": " + status_name(status) + ": " + (text ? text : "(last_error is NULL)"));
}

void Subject::refused(fl_status status, fl_status wanted, const std::string& what) const {
  const char* const text = driver.last_error();
  if (status == FL_OK || status == FL_NOT_READY) throw Failed(what + " was accepted; it must be refused");
  if (wanted != FL_OK && status != wanted)
    throw Failed(what + " gave " + status_name(status) + ", not " + status_name(wanted) + ": " +
                 (text ? text : "(null)"));
  if (!text || !*text) throw Failed(what + ": " + status_name(status) + " came without a text in last_error()");
}

void expect(bool condition, const std::string& text) {
  if (!condition) throw Failed(text);
}

std::vector<char> noise(uint64_t size, uint32_t seed) {
  std::vector<char> bytes(size);
  uint32_t state = seed * 2654435761u + 1;
  for (char& byte : bytes) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator; its high bits vary well
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

void write(const Subject& subject, const Memory& memory, const std::vector<char>& bytes, uint64_t offset,
           fl_hal_stream stream) {
  subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_HOST_TO_DEVICE, memory.address() + offset,
                                 host_address(bytes.data()), bytes.size()),
             formatted("copy of %zu bytes to the device", bytes.size()));
  subject.ok(subject.driver.stream_synchronize(subject.device, stream), "stream_synchronize");
}

std::vector<char> read(const Subject& subject, const Memory& memory, uint64_t size, uint64_t offset,
                       fl_hal_stream stream) {
  std::vector<char> bytes(size);
  subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_DEVICE_TO_HOST, host_address(bytes.data()),
                                 memory.address() + offset, size),
             formatted("copy of %zu bytes to the host", bytes.size()));
  return bytes;
}

void expect_same(const std::vector<char>& got, const std::vector<char>& wanted, const std::string& what) {
  expect(got.size() == wanted.size(), what + ": another number of bytes");
  for (size_t i = 0; i < got.size(); ++i)
    if (got[i] != wanted[i])
      throw Failed(formatted("%s: byte %zu of %zu is 0x%02x, not 0x%02x", what.c_str(), i, got.size(),
                             static_cast<unsigned char>(got[i]), static_cast<unsigned char>(wanted[i])));
}

}  // namespace fl::conformance
