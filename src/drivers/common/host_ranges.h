// The ranges of host memory that a driver knows: its own pinned blocks and what the user registered. Answers whether a
// copy touches such memory. It does not own the memory.
#ifndef FLAGOS_DRIVERS_COMMON_HOST_RANGES_H_
#define FLAGOS_DRIVERS_COMMON_HOST_RANGES_H_

#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>

namespace fl::drivers {

// Thread-safe.
class HostRanges {
 public:
  // False, and nothing changed, when [begin, begin + size) overlaps a range that is already known.
  bool add(uint64_t begin, uint64_t size) {
    std::lock_guard lock(mutex_);
    const auto next = ranges_.lower_bound(begin);
    if (next != ranges_.end() && next->first - begin < size) return false;
    if (next != ranges_.begin() && begin - std::prev(next)->first < std::prev(next)->second) return false;
    ranges_.emplace_hint(next, begin, size);
    return true;
  }

  // The range must begin exactly there; false when none does.
  bool remove(uint64_t begin) {
    std::lock_guard lock(mutex_);
    return ranges_.erase(begin) == 1;
  }

  // True when one range holds all of [begin, begin + size).
  bool contains(uint64_t begin, uint64_t size) const {
    std::lock_guard lock(mutex_);
    auto at = ranges_.upper_bound(begin);
    if (at == ranges_.begin()) return false;
    --at;
    const uint64_t offset = begin - at->first;
    return offset < at->second && size <= at->second - offset;
  }

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, uint64_t> ranges_;  // begin -> size
};

}  // namespace fl::drivers
#endif  // FLAGOS_DRIVERS_COMMON_HOST_RANGES_H_
