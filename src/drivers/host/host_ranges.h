// The ranges of host memory that the user registered with the driver, so that registering twice or ending what never
// began is an error. It does not own the memory, and pins nothing: on the host every copy is as fast.
#ifndef FLAGOS_DRIVERS_HOST_HOST_RANGES_H_
#define FLAGOS_DRIVERS_HOST_HOST_RANGES_H_

#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>

namespace fl::drivers::host {

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

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> ranges_;  // begin -> size
};

}  // namespace fl::drivers::host
#endif  // FLAGOS_DRIVERS_HOST_HOST_RANGES_H_
