#include "base/code_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace fl {
namespace {

size_t to_pages(size_t bytes) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

CodeMemory::CodeMemory(size_t code, size_t constants, size_t data, bool low)
    : code_(to_pages(code)), constants_(to_pages(constants)), data_(to_pages(data)) {
  if (size() == 0) return;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (low ? MAP_32BIT : 0);
  void* pages = mmap(nullptr, size(), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (pages == MAP_FAILED) {
    fail(FL_OUT_OF_MEMORY, "No %zu bytes of address space%s for a kernel: %s. Free memory and try again.", size(),
         low ? " in its first 2 GiB" : "", strerror(errno));
  }
  base_ = static_cast<std::byte*>(pages);
}

CodeMemory::~CodeMemory() {
  if (base_ != nullptr) munmap(base_, size());
}

void CodeMemory::seal() {
  const bool done = (constants_ == 0 || mprotect(constants(), constants_, PROT_READ) == 0) &&
                    (code_ == 0 || mprotect(code(), code_, PROT_READ | PROT_EXEC) == 0);
  if (!done) {
    fail(FL_INTERNAL,
         "The system refuses executable memory for a kernel: %s. Allow it for this process (SELinux, seccomp).",
         strerror(errno));
  }
}

}  // namespace fl
