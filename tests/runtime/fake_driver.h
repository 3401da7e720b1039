// A driver in memory under the control of a test: it records every call, holds work back until the test lets it go,
// fails on demand, and notices when memory or a kernel is given back that held work still uses.
//
// Its addresses are those of ordinary memory moved by a constant, so that a runtime that dereferences one faults. There
// are as many independent fakes as a test needs: fake<0>(), fake<1>(), each with its own table and entry.
#ifndef FLAGOS_TESTS_FAKE_DRIVER_H_
#define FLAGOS_TESTS_FAKE_DRIVER_H_

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "flagos/hal.h"

namespace fl::test {

class FakeDriver {
 public:
  static constexpr fl_addr kWindow = fl_addr{1} << 60;  // address = where the memory really is + kWindow

  // ---- The script ----
  uint32_t capabilities = FL_CAP_ASYNC | FL_CAP_EVENT_TIMING;
  bool has_peer = false, has_hostfunc = true, has_module = true;
  int32_t devices = 1;
  uint64_t memory = uint64_t{1} << 30;  // of each device
  uint32_t alignment = 256;
  bool holding = false;  // work waits until `run` or a call that blocks

  // The next `times` calls of that name answer `status`.
  void fail(const std::string& call, fl_status status, const std::string& text, int times = 1) {
    const std::lock_guard lock(mutex_);
    failures_[call] = {status, text, times};
  }
  // Lets all held work run in order.
  void run() {
    const std::lock_guard lock(mutex_);
    run_all();
  }
  // Lets the work of one stream run, as far as its waits allow.
  void run_stream(fl_hal_stream stream) {
    const std::lock_guard lock(mutex_);
    drain(stream);
  }

  // ---- The record ----
  int count(const std::string& call) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    return found == calls_.end() ? 0 : found->second;
  }
  uint64_t used() const {
    const std::lock_guard lock(mutex_);
    uint64_t bytes = 0;
    for (const auto& [address, piece] : pieces_) bytes += piece.size;
    return bytes;
  }
  size_t live_events() const {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  size_t live_modules() const {
    const std::lock_guard lock(mutex_);
    return modules_.size();
  }
  // What a right runtime never causes: "memory released while a copy uses it".
  std::vector<std::string> violations() const {
    const std::lock_guard lock(mutex_);
    return violations_;
  }
  void* host_view(fl_addr address) const { return reinterpret_cast<void*>(address - kWindow); }

  // Forgets everything; the devices that were made of it are not used any more.
  void reset() {
    const std::lock_guard lock(mutex_);
    streams_.clear();
    for (const auto& [address, piece] : pieces_) std::free(host_view(address));
    pieces_.clear();
    for (const auto& [address, size] : pinned_) std::free(reinterpret_cast<void*>(address));
    pinned_.clear();
    for (Event* event : events_) delete event;
    events_.clear();
    for (Module* module : modules_) delete module;
    modules_.clear();
    capabilities = FL_CAP_ASYNC | FL_CAP_EVENT_TIMING;
    has_peer = false;
    has_hostfunc = has_module = true;
    devices = 1;
    memory = uint64_t{1} << 30;
    alignment = 256;
    holding = false;
    failures_.clear();
    calls_.clear();
    violations_.clear();
  }

  // ---- What the table calls ----
  struct Point {
    bool passed = false;
  };
  struct Range {
    uint64_t address, size;
  };
  struct Work {
    std::function<void()> action;
    std::shared_ptr<Point> waits_for;  // may be null
    std::vector<Range> uses;
    const void* module = nullptr;
  };
  struct Event {
    std::shared_ptr<Point> point;
    bool timing = false;
  };
  struct Stream {
    std::deque<Work> work;
    int32_t priority = 0;
  };
  struct Module {
    std::set<std::string> functions;
  };
  struct Function {
    Module* module;
    std::string name;
  };

  // Counts the call and answers with a scripted failure or FL_OK.
  fl_status called(const char* name) {
    ++calls_[name];
    const auto found = failures_.find(name);
    if (found == failures_.end() || found->second.times == 0) return FL_OK;
    --found->second.times;
    last_error_text() = found->second.text;
    return found->second.status;
  }
  static fl_status refuse(fl_status status, const char* text) {
    last_error_text() = text;
    return status;
  }
  static std::string& last_error_text() {
    thread_local std::string text = "nothing failed";
    return text;
  }

  void enqueue(fl_hal_stream stream, Work work) {
    queue_of(stream).work.push_back(std::move(work));
    if (!holding) run_all();
  }
  Stream& queue_of(fl_hal_stream stream) { return streams_[stream]; }
  bool idle(fl_hal_stream stream) { return queue_of(stream).work.empty(); }

  bool drain(fl_hal_stream stream) {
    bool any = false;
    std::deque<Work>& work = queue_of(stream).work;
    while (!work.empty() && (!work.front().waits_for || work.front().waits_for->passed)) {
      const Work next = std::move(work.front());
      work.pop_front();
      if (next.action) next.action();
      any = true;
    }
    return any;
  }
  void run_all() {
    for (bool any = true; any;) {
      any = false;
      for (auto& [stream, queue] : streams_) any |= drain(stream);
    }
  }
  void check_unused(uint64_t address, uint64_t size, const char* what) {
    for (const auto& [stream, queue] : streams_) {
      for (const Work& work : queue.work) {
        for (const Range& range : work.uses) {
          if (range.address < address + size && address < range.address + range.size) violations_.push_back(what);
        }
      }
    }
  }
  void check_not_running(const Module* module) {
    for (const auto& [stream, queue] : streams_) {
      for (const Work& work : queue.work) {
        if (work.module == module) violations_.push_back("a kernel unloaded while a stream runs it");
      }
    }
  }
  bool is_pinned(uint64_t address) const {
    auto next = pinned_.upper_bound(address);
    return next != pinned_.begin() && address - std::prev(next)->first < std::prev(next)->second;
  }

  struct Piece {
    int32_t device;
    uint64_t size;
  };
  struct Failure {
    fl_status status;
    std::string text;
    int times;
  };
  mutable std::recursive_mutex mutex_;
  std::map<std::string, int> calls_;
  std::map<std::string, Failure> failures_;
  std::vector<std::string> violations_;
  std::map<fl_addr, Piece> pieces_;
  std::map<uint64_t, uint64_t> pinned_;
  std::map<fl_hal_stream, Stream> streams_;
  std::set<Event*> events_;
  std::set<Module*> modules_;
  std::deque<Function> functions_;
  uintptr_t next_stream_ = 1;
};

template <int N>
FakeDriver& fake() {
  static FakeDriver& driver = *new FakeDriver;
  return driver;
}

}  // namespace fl::test

#endif  // FLAGOS_TESTS_FAKE_DRIVER_H_
