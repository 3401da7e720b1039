// Device memory and pinned host memory.
#include <algorithm>

#include "drivers/conformance/suite.h"

namespace fl::conformance {
namespace {

unsigned long long ull(uint64_t value) { return value; }

void blocks_are_aligned_and_apart(const Subject& subject) {
  fl_hal_device_info info{};
  info.struct_size = sizeof(info);
  subject.ok(subject.driver.device_info(subject.device, &info), "device_info");
  std::vector<std::pair<fl_addr, uint64_t>> blocks;
  std::string problem;
  for (const uint64_t size : {1, 2, 63, 64, 65, 511, 4096, 4097, 1 << 20, (2 << 20) + 1}) {
    fl_addr address = 0;
    const fl_status status = subject.driver.allocate(subject.device, size, &address);
    if (status != FL_OK || address == 0 || address % info.alignment != 0) {
      problem = formatted("allocate of %llu bytes: status %d, address 0x%llx, alignment %u: %s", ull(size), status,
                          ull(address), info.alignment, subject.driver.last_error());
      break;
    }
    blocks.emplace_back(address, size);
  }
  std::vector<std::pair<fl_addr, uint64_t>> sorted = blocks;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i - 1].first + sorted[i - 1].second > sorted[i].first)
      problem = formatted("two blocks overlap: 0x%llx + %llu and 0x%llx", ull(sorted[i - 1].first),
                          ull(sorted[i - 1].second), ull(sorted[i].first));
  for (const auto& [address, size] : blocks)
    subject.ok(subject.driver.release(subject.device, address), formatted("release of %llu bytes", ull(size)));
  expect(problem.empty(), problem);
}

void memory_info_is_plausible(const Subject& subject) {
  uint64_t free_bytes = 0, total_bytes = 0;
  subject.ok(subject.driver.memory_info(subject.device, &free_bytes, &total_bytes), "memory_info");
  expect(total_bytes > 0 && free_bytes <= total_bytes,
         formatted("memory_info: %llu bytes free of %llu", ull(free_bytes), ull(total_bytes)));
}

void too_much_is_out_of_memory(const Subject& subject) {
  for (const uint64_t size : {uint64_t{1} << 55, UINT64_MAX - 1, UINT64_MAX}) {
    fl_addr address = 0;
    subject.refused(subject.driver.allocate(subject.device, size, &address), FL_OUT_OF_MEMORY,
                    formatted("allocate of %llu bytes", ull(size)));
  }
  const Memory still(subject, 4096);
  write(subject, still, noise(4096, 1));
  expect_same(read(subject, still, 4096), noise(4096, 1), "after an allocation that was refused");
}

void nothing_is_refused(const Subject& subject) {
  fl_addr address = 0;
  subject.refused(subject.driver.allocate(subject.device, 0, &address), FL_INVALID_ARGUMENT, "allocate of 0 bytes");
}

void released_memory_can_be_had_again(const Subject& subject) {
  // More in all than a device has that reports its memory honestly, when each is released.
  uint64_t free_bytes = 0, total_bytes = 0;
  subject.ok(subject.driver.memory_info(subject.device, &free_bytes, &total_bytes), "memory_info");
  const uint64_t size = std::min<uint64_t>(free_bytes / 4, uint64_t{256} << 20);
  for (int round = 0; round < 16; ++round) Memory(subject, size);
}

void release_of_what_is_no_block_is_refused(const Subject& subject) {
  fl_addr address = 0;
  subject.ok(subject.driver.allocate(subject.device, 4096, &address), "allocate");
  subject.refused(subject.driver.release(subject.device, address + 64), FL_INVALID_ARGUMENT,
                  "release of the middle of a block");
  subject.refused(subject.driver.release(subject.device, 0), FL_INVALID_ARGUMENT, "release of address 0");
  subject.ok(subject.driver.release(subject.device, address), "release");
  subject.refused(subject.driver.release(subject.device, address), FL_INVALID_ARGUMENT, "release for the second time");
}

void host_access_is_true(const Subject& subject) {
  if (!subject.can(FL_CAP_HOST_ACCESS)) throw Skipped("the driver does not promise FL_CAP_HOST_ACCESS");
  const Memory memory(subject, 4096);
  const std::vector<char> bytes = noise(4096, 7), more = noise(4096, 8);
  write(subject, memory, bytes);
  auto* const seen = reinterpret_cast<char*>(memory.address());
  expect_same(std::vector<char>(seen, seen + 4096), bytes, "what the host reads at the device's address");
  std::memcpy(seen, more.data(), more.size());
  expect_same(read(subject, memory, 4096), more, "what the device has after the host wrote at its address");
}

void pinned_memory_is_memory(const Subject& subject) {
  for (const uint64_t size : {1, 64, 4097, 3 << 20}) {
    const Pinned pinned(subject, size);
    expect(host_address(pinned.data()) % 64 == 0,
           formatted("host_allocate of %llu bytes is not aligned to 64", ull(size)));
    std::memset(pinned.data(), 0x5A, size);
    expect(pinned.data()[size - 1] == 0x5A, "pinned memory does not hold what was written");
  }
  void* pointer = nullptr;
  subject.ok(subject.driver.host_allocate(64, &pointer), "host_allocate");
  subject.ok(subject.driver.host_release(pointer), "host_release");
  subject.refused(subject.driver.host_release(pointer), FL_INVALID_ARGUMENT, "host_release for the second time");
  subject.refused(subject.driver.host_allocate(0, &pointer), FL_INVALID_ARGUMENT, "host_allocate of 0 bytes");
  subject.refused(subject.driver.host_allocate(uint64_t{1} << 60, &pointer), FL_OUT_OF_MEMORY,
                  "host_allocate of 2^60 bytes");
}

void registration_begins_and_ends(const Subject& subject) {
  if (!subject.driver.host_register) throw Skipped("the driver registers no host memory");
  std::vector<char> bytes = noise(1 << 16, 3);
  const Memory memory(subject, bytes.size());
  subject.ok(subject.driver.host_register(bytes.data(), bytes.size()), "host_register");
  subject.refused(subject.driver.host_register(bytes.data(), bytes.size()), FL_INVALID_ARGUMENT,
                  "host_register of a range that is registered");
  write(subject, memory, bytes);
  expect_same(read(subject, memory, bytes.size()), bytes, "a copy from registered memory");
  subject.ok(subject.driver.device_synchronize(subject.device), "device_synchronize");
  subject.ok(subject.driver.host_unregister(bytes.data()), "host_unregister");
  subject.refused(subject.driver.host_unregister(bytes.data()), FL_INVALID_ARGUMENT,
                  "host_unregister for the second time");
}

constexpr Check kChecks[] = {
    {"memory/blocks_are_aligned_and_apart", blocks_are_aligned_and_apart},
    {"memory/memory_info_is_plausible", memory_info_is_plausible},
    {"memory/too_much_is_out_of_memory", too_much_is_out_of_memory},
    {"memory/nothing_is_refused", nothing_is_refused},
    {"memory/released_memory_can_be_had_again", released_memory_can_be_had_again},
    {"memory/release_of_what_is_no_block_is_refused", release_of_what_is_no_block_is_refused},
    {"memory/host_access_is_true", host_access_is_true},
    {"memory/pinned_memory_is_memory", pinned_memory_is_memory},
    {"memory/registration_begins_and_ends", registration_begins_and_ends},
};

}  // namespace

std::span<const Check> memory_checks() { return kChecks; }

}  // namespace fl::conformance
