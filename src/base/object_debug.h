// Tells the tools about code that came without a file: perf (a map file), gdb (its interface for just-in-time
// compilers) and the unwinder (.eh_frame).
#ifndef FLAGOS_BASE_OBJECT_DEBUG_H_
#define FLAGOS_BASE_OBJECT_DEBUG_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

// Appends "address size name" to /tmp/perf-<pid>.map when FLAGOS_PERF_MAP asks for it.
void tell_perf(const void* address, size_t size, std::string_view name) noexcept;

// Shows an ELF image to gdb, whose section headers hold the addresses at which the sections lie. gdb reads it when it
// is attached; the copy is kept until the object goes.
class GdbEntry {
 public:
  explicit GdbEntry(std::vector<std::byte> image);
  ~GdbEntry();
  GdbEntry(const GdbEntry&) = delete;
  GdbEntry& operator=(const GdbEntry&) = delete;

 private:
  struct Node;
  Node* node_;
};

// Registers a relocated .eh_frame with the unwinder, so that exceptions and backtraces pass through the object's
// functions. `frames` is followed by at least 8 zero bytes. A section in a form that it does not know is left out:
// the unwinder believes what it reads.
class UnwindEntry {
 public:
  explicit UnwindEntry(std::span<const std::byte> frames);
  ~UnwindEntry();
  UnwindEntry(const UnwindEntry&) = delete;
  UnwindEntry& operator=(const UnwindEntry&) = delete;

 private:
  const std::byte* registered_ = nullptr;
};

// True when `frames` is a sequence of records that the unwinder can walk: each within bounds, each FDE belonging to a
// CIE of version 1 with augmentation "zR" or "zRS" and pc-relative or absolute addresses.
bool well_formed_frames(std::span<const std::byte> frames) noexcept;

}  // namespace fl

#endif  // FLAGOS_BASE_OBJECT_DEBUG_H_
