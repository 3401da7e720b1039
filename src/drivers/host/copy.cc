// Copies and fills: the C library's on one thread, split over the pool when large.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "drivers/host/driver.h"

namespace fl::drivers::host {
namespace {

// Bytes that are worth another thread. On a 2-core cloud machine one thread copies 2 MiB in 110 us once the caches are
// full, and handing a part to a second thread cost 10 to 40 us: from two grains on there is something to win.
constexpr uint64_t kGrain = uint64_t{2} << 20;

// Throws unless both ranges can be ranges of memory at all. Which block they belong to is not asked: with
// FL_CAP_HOST_ACCESS any memory of the process is as good, and the question would cost more than a small copy.
void check_range(const char* what, uint64_t address, uint64_t size) {
  if (address == 0 || address + size < address)
    fail(FL_INVALID_ARGUMENT, "%s: %llu bytes at 0x%llx are no range of memory.", what,
         static_cast<unsigned long long>(size), static_cast<unsigned long long>(address));
}

void copy_bytes(uint64_t dst, uint64_t src, uint64_t size) {
  if (size < 2 * kGrain) {
    std::memcpy(reinterpret_cast<void*>(dst), reinterpret_cast<const void*>(src), size);
    return;
  }
  struct Ends {
    char* dst;
    const char* src;
  } ends{reinterpret_cast<char*>(dst), reinterpret_cast<const char*>(src)};
  core().parallel_for(
      0, static_cast<int64_t>(size), static_cast<int64_t>(kGrain),
      [](void* context, int64_t first, int64_t last) {
        const auto* of = static_cast<const Ends*>(context);
        std::memcpy(of->dst + first, of->src + first, static_cast<size_t>(last - first));
      },
      &ends);
}

// 64 bytes hold a whole number of every pattern; writing them at once lets the compiler use whole vectors whatever the
// pattern and the alignment.
struct Fill {
  static constexpr uint64_t kUnit = 64;
  char* dst;
  char unit[kUnit];

  Fill(uint64_t address, const void* pattern, uint32_t pattern_size) : dst(reinterpret_cast<char*>(address)) {
    for (uint64_t at = 0; at < kUnit; at += pattern_size) std::memcpy(unit + at, pattern, pattern_size);
  }
  bool is_one_byte() const {
    return std::all_of(unit, unit + kUnit, [this](char c) { return c == unit[0]; });
  }

  // Units [first, last); the last one may be cut short by `end`.
  void run(uint64_t first, uint64_t last, uint64_t end) const {
    uint64_t at = first * kUnit;
    const uint64_t stop = std::min(last * kUnit, end);
    for (; at + kUnit <= stop; at += kUnit) std::memcpy(dst + at, unit, kUnit);
    std::memcpy(dst + at, unit, stop - at);
  }
};

}  // namespace

void copy(int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size) {
  check_stream(device, stream);
  if (kind < FL_COPY_HOST_TO_DEVICE || kind > FL_COPY_ON_DEVICE)
    fail(FL_INVALID_ARGUMENT, "copy: %d is no fl_copy_kind.", static_cast<int>(kind));
  if (size == 0) return;
  check_range("copy: destination", dst, size);
  check_range("copy: source", src, size);
  copy_bytes(dst, src, size);
}

void copy_peer(int32_t device, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device, fl_addr src,
               uint64_t size) {
  check_device(dst_device);
  check_device(src_device);
  copy(device, stream, FL_COPY_ON_DEVICE, dst, src, size);
}

void fill(int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
          uint64_t count) {
  check_stream(device, stream);
  if (!pattern || pattern_size == 0 || pattern_size > 16 || (pattern_size & (pattern_size - 1)) != 0)
    fail(FL_INVALID_ARGUMENT, "fill: a pattern of %u bytes; 1, 2, 4, 8 and 16 are possible.", pattern_size);
  uint64_t size = 0;
  if (count == 0) return;
  if (__builtin_mul_overflow(count, uint64_t{pattern_size}, &size) || size > INT64_MAX) size = UINT64_MAX;
  check_range("fill", dst, size);

  struct Job {
    Fill fill;
    uint64_t size;
    bool one_byte;
  } job{Fill(dst, pattern, pattern_size), size, false};
  job.one_byte = job.fill.is_one_byte();
  const auto body = [](void* context, int64_t first, int64_t last) {
    const auto* of = static_cast<const Job*>(context);
    const auto begin = static_cast<uint64_t>(first), end = static_cast<uint64_t>(last);
    if (of->one_byte)
      std::memset(of->fill.dst + begin * Fill::kUnit, of->fill.unit[0],
                  std::min(end * Fill::kUnit, of->size) - begin * Fill::kUnit);
    else
      of->fill.run(begin, end, of->size);
  };
  const auto units = static_cast<int64_t>((size + Fill::kUnit - 1) / Fill::kUnit);
  if (size < 2 * kGrain)
    body(&job, 0, units);
  else
    core().parallel_for(0, units, kGrain / Fill::kUnit, body, &job);
}

}  // namespace fl::drivers::host
