// A stream that is kept busy for as long as the check wants: a host function that waits for a word. It is how
// asynchrony is told from its imitation without a clock.
#ifndef FLAGOS_DRIVERS_CONFORMANCE_HELD_STREAM_H_
#define FLAGOS_DRIVERS_CONFORMANCE_HELD_STREAM_H_

#include <future>

#include "drivers/conformance/suite.h"

namespace fl::conformance {

class HeldStream {
 public:
  // Throws Skipped where streams are not asynchronous, or the driver has no hostfunc/1 to hold one with.
  explicit HeldStream(const Subject& subject) : subject_(subject), word_(let_go_.get_future()) {
    if (!subject.can(FL_CAP_ASYNC)) throw Skipped("streams are always idle (no FL_CAP_ASYNC)");
    const auto& hostfunc = subject.need_group<fl_hal_hostfunc1>("hostfunc/1");
    subject.ok(subject.driver.stream_create(subject.device, 0, &handle_), "stream_create");
    const fl_status status = hostfunc.enqueue(
        subject.device, handle_, [](void* word) { static_cast<std::future<void>*>(word)->wait(); }, &word_);
    if (status != FL_OK) subject.driver.stream_destroy(subject.device, handle_);
    subject.ok(status, "hostfunc");
  }
  ~HeldStream() {
    let_go();
    subject_.driver.stream_destroy(subject_.device, handle_);
  }
  HeldStream(const HeldStream&) = delete;
  HeldStream& operator=(const HeldStream&) = delete;

  void let_go() {
    if (held_) let_go_.set_value();
    held_ = false;
  }
  operator fl_hal_stream() const { return handle_; }

 private:
  const Subject subject_;
  std::promise<void> let_go_;
  std::future<void> word_;
  bool held_ = true;
  fl_hal_stream handle_ = nullptr;
};

}  // namespace fl::conformance
#endif  // FLAGOS_DRIVERS_CONFORMANCE_HELD_STREAM_H_
