// Facts about the machine that the process runs on: processor, cores, memory. What a container allows counts, not what
// the hardware has.
#ifndef FLAGOS_DRIVERS_HOST_MACHINE_H_
#define FLAGOS_DRIVERS_HOST_MACHINE_H_

#include <cstdint>
#include <string>

namespace fl::drivers::host {

// "Intel(R) Xeon(R) Platinum 8488C" from `root`/proc/cpuinfo; "x86-64 processor" where that says nothing.
std::string processor_name(const std::string& root = "");

// The x86-64 psABI level of this processor: "x86-64-v4", "-v3", "-v2" or "x86-64".
const char* processor_arch();

// Processors that the process may use: its affinity mask, cut down to the cgroup's CPU quota (rounded up). At least 1.
uint32_t usable_cores(const std::string& root = "");

struct Memory {
  uint64_t total;      // bytes: the machine's, or the tightest limit of a cgroup around the process
  uint64_t available;  // bytes that may be taken without swapping or hitting that limit; page cache counts as free
};
// Reads `root`/proc/meminfo and the cgroup files, version 1 and 2, of the process and of every group above it. Throws
// Error(FL_INTERNAL) when /proc/meminfo cannot be read.
Memory usable_memory(const std::string& root = "");

}  // namespace fl::drivers::host
#endif  // FLAGOS_DRIVERS_HOST_MACHINE_H_
