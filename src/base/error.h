// Errors inside the core: a status and the text that a person reads.
//
// Inside the core a failure is an exception of type Error; at each fl_* function it becomes a status, and its text
// waits in fl_last_error() of the same thread. Not here: what a driver's status means to PyTorch (aten/).
#ifndef FLAGOS_BASE_ERROR_H_
#define FLAGOS_BASE_ERROR_H_

#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "flagos/base.h"

namespace fl {

class Error : public std::runtime_error {
 public:
  Error(fl_status status, const std::string& text) : std::runtime_error(text), status_(status) {}
  fl_status status() const noexcept { return status_; }

 private:
  fl_status status_;
};

// Throws an Error with a printf-formatted text: what was tried, where, why, and one thing to do.
[[noreturn]] void fail(fl_status status, const char* format, ...) __attribute__((format(printf, 2, 3)));

// The text that fl_last_error() hands out on this thread until the next call. Where there is no memory to copy it, a
// fixed text stands in.
void set_last_error(std::string text) noexcept;
void set_last_error(const char* text) noexcept;
const char* last_error() noexcept;

// "FL_OUT_OF_MEMORY"; a number that is no status gives "unknown status".
const char* status_name(fl_status status) noexcept;

// Runs `body` at the C boundary. `body` returns nothing (then FL_OK) or a fl_status, which is passed on. An Error, a
// bad_alloc or another std::exception becomes a status with its text in fl_last_error(). An exception of another type
// is a bug of the core: it ends the process here rather than unwinding into C.
template <class Body>
fl_status guarded(Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      std::forward<Body>(body)();
      return FL_OK;
    } else {
      return std::forward<Body>(body)();
    }
  } catch (const Error& error) {
    set_last_error(error.what());
    return error.status();
  } catch (const std::bad_alloc&) {
    set_last_error("The host has no memory left for flagos' own records; free memory and try again.");
    return FL_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return FL_INTERNAL;
  }
}

}  // namespace fl

#endif  // FLAGOS_BASE_ERROR_H_
