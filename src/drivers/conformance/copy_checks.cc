// Copies of every kind and size, and fills of every pattern.
#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

constexpr uint64_t kSizes[] = {1, 3, 64, 4095, 4096, 1 << 20, (8 << 20) + 13};

void pageable_round_trips(const Subject& subject) {
  for (const uint64_t size : kSizes) {
    const Memory memory(subject, size);
    const std::vector<char> bytes = noise(size, 11);
    write(subject, memory, bytes);
    expect_same(read(subject, memory, size), bytes, "there and back");
  }
}

// With memory that is not pinned the call returns when the host range may be reused, or holds the data.
void pageable_copies_are_done_with_the_host(const Subject& subject) {
  const Stream stream(subject);
  const Memory memory(subject, 1 << 20);
  const std::vector<char> wanted = noise(1 << 20, 12);
  std::vector<char> bytes = wanted;
  subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_HOST_TO_DEVICE, memory.address(),
                                 host_address(bytes.data()), bytes.size()),
             "copy to the device");
  std::fill(bytes.begin(), bytes.end(), 0);
  subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_DEVICE_TO_HOST, host_address(bytes.data()),
                                 memory.address(), bytes.size()),
             "copy to the host");
  expect_same(bytes, wanted, "the source was overwritten when the call had returned");
}

void pinned_round_trips(const Subject& subject) {
  const Stream stream(subject);
  for (const uint64_t size : kSizes) {
    const Memory memory(subject, size);
    const Pinned source(subject, size), target(subject, size);
    const std::vector<char> bytes = noise(size, 13);
    std::memcpy(source.data(), bytes.data(), size);
    std::memset(target.data(), 0, size);
    subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_HOST_TO_DEVICE, memory.address(),
                                   host_address(source.data()), size),
               "copy of pinned memory to the device");
    subject.ok(subject.driver.copy(subject.device, stream, FL_COPY_DEVICE_TO_HOST, host_address(target.data()),
                                   memory.address(), size),
               "copy to pinned memory");
    subject.ok(subject.driver.stream_synchronize(subject.device, stream), "stream_synchronize");
    expect_same(std::vector<char>(target.data(), target.data() + size), bytes, "there and back in one stream");
  }
}

void copies_on_the_device(const Subject& subject) {
  for (const uint64_t size : kSizes) {
    const Memory first(subject, size), second(subject, size);
    const std::vector<char> bytes = noise(size, 14);
    write(subject, first, bytes);
    subject.ok(subject.driver.copy(subject.device, nullptr, FL_COPY_ON_DEVICE, second.address(), first.address(), size),
               "copy on the device");
    expect_same(read(subject, second, size), bytes, "a copy on the device");
  }
}

// Arithmetic inside a block is meaningful, and nothing outside the range changes.
void inner_addresses(const Subject& subject) {
  constexpr uint64_t kSize = 10'000;
  const Memory first(subject, kSize), second(subject, kSize);
  std::vector<char> wanted = noise(kSize, 15);
  const std::vector<char> patch = noise(777, 16);
  write(subject, first, wanted);
  write(subject, second, wanted);
  write(subject, first, patch, 123);
  subject.ok(subject.driver.copy(subject.device, nullptr, FL_COPY_ON_DEVICE, second.address() + 4'001,
                                 first.address() + 123, patch.size()),
             "copy between the middles of two blocks");
  std::copy(patch.begin(), patch.end(), wanted.begin() + 4'001);
  expect_same(read(subject, second, kSize), wanted, "a copy into the middle of a block");
  expect_same(read(subject, first, patch.size(), 123), patch, "a copy from the middle of a block");
}

void nothing_may_be_copied(const Subject& subject) {
  const Memory memory(subject, 64);
  char byte = 0;
  for (const auto kind : {FL_COPY_HOST_TO_DEVICE, FL_COPY_DEVICE_TO_HOST, FL_COPY_ON_DEVICE}) {
    const uint64_t dst = kind == FL_COPY_DEVICE_TO_HOST ? host_address(&byte) : memory.address();
    const uint64_t src = kind == FL_COPY_HOST_TO_DEVICE ? host_address(&byte) : memory.address();
    subject.ok(subject.driver.copy(subject.device, nullptr, kind, dst, src, 0), "copy of 0 bytes");
  }
}

void fills_write_the_pattern(const Subject& subject) {
  const std::vector<char> pattern = noise(16, 17);
  for (const uint32_t pattern_size : {1, 2, 4, 8, 16}) {
    for (const uint64_t count : {1, 5, 63, 64, 1'000, 200'003}) {
      const uint64_t before = 3 * pattern_size, size = count * pattern_size, after = 32;
      const Memory memory(subject, before + size + after);
      std::vector<char> wanted = noise(before + size + after, 18);
      write(subject, memory, wanted);
      std::vector<char> given(pattern.begin(), pattern.begin() + pattern_size);
      subject.ok(
          subject.driver.fill(subject.device, nullptr, memory.address() + before, given.data(), pattern_size, count),
          formatted("fill of %u bytes", pattern_size));
      std::fill(given.begin(), given.end(), 0);  // the pattern was read before the call returned
      for (uint64_t i = 0; i < size; ++i) wanted[before + i] = pattern[i % pattern_size];
      expect_same(read(subject, memory, wanted.size()), wanted, formatted("fill of %u bytes", pattern_size));
    }
  }
}

void large_fills(const Subject& subject) {
  const uint64_t size = (8 << 20) + 24;
  const Memory memory(subject, size);
  for (const uint64_t value : {uint64_t{0}, uint64_t{0x0123456789ABCDEF}}) {
    subject.ok(subject.driver.fill(subject.device, nullptr, memory.address(), &value, 8, size / 8), "fill");
    const std::vector<char> got = read(subject, memory, size);
    std::vector<char> wanted(size);
    for (uint64_t i = 0; i < size; ++i) wanted[i] = static_cast<char>(value >> (8 * (i % 8)));
    expect_same(got, wanted, "a fill of 8 MiB");
  }
}

void nothing_may_be_filled(const Subject& subject) {
  const Memory memory(subject, 64);
  write(subject, memory, noise(64, 19));
  const uint64_t value = 0;
  subject.ok(subject.driver.fill(subject.device, nullptr, memory.address(), &value, 8, 0), "fill of 0 elements");
  expect_same(read(subject, memory, 64), noise(64, 19), "a fill of 0 elements");
}

constexpr Check kChecks[] = {
    {"copies/pageable_round_trips", pageable_round_trips},
    {"copies/pageable_copies_are_done_with_the_host", pageable_copies_are_done_with_the_host},
    {"copies/pinned_round_trips", pinned_round_trips},
    {"copies/copies_on_the_device", copies_on_the_device},
    {"copies/inner_addresses", inner_addresses},
    {"copies/nothing_may_be_copied", nothing_may_be_copied},
    {"fills/fills_write_the_pattern", fills_write_the_pattern},
    {"fills/large_fills", large_fills},
    {"fills/nothing_may_be_filled", nothing_may_be_filled},
};

}  // namespace

std::span<const Check> copy_checks() { return kChecks; }

}  // namespace fl::conformance
