#include "base/error.h"

#include <cstdarg>

#include "base/text.h"

namespace fl {
namespace {

// Why the calling thread has no text of its own: plain data, so it can be read after the thread's objects are
// destroyed. Exit handlers still release blocks then, on the main thread.
enum class Lost { kNo, kNoMemory, kThreadEnds };
thread_local Lost t_lost = Lost::kNo;

struct Text {
  std::string value;
  ~Text() { t_lost = Lost::kThreadEnds; }
};
thread_local Text t_text;

}  // namespace

void fail(fl_status status, const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = formatted_list(format, args);
  va_end(args);
  throw Error(status, text);
}

void set_last_error(std::string text) noexcept {
  if (t_lost == Lost::kThreadEnds) return;
  t_text.value = std::move(text);
  t_lost = Lost::kNo;
}

void set_last_error(const char* text) noexcept {
  if (t_lost == Lost::kThreadEnds) return;
  try {
    t_text.value = text;
    t_lost = Lost::kNo;
  } catch (const std::bad_alloc&) {
    t_lost = Lost::kNoMemory;
  }
}

const char* last_error() noexcept {
  switch (t_lost) {
    case Lost::kNoMemory:
      return "An error whose text found no memory; free memory and try again.";
    case Lost::kThreadEnds:
      return "An error at the end of the process, whose text is gone with its thread.";
    case Lost::kNo:
      break;
  }
  return t_text.value.c_str();
}

const char* status_name(fl_status status) noexcept {
  switch (status) {
    case FL_OK:
      return "FL_OK";
    case FL_NOT_READY:
      return "FL_NOT_READY";
    case FL_OUT_OF_MEMORY:
      return "FL_OUT_OF_MEMORY";
    case FL_INVALID_ARGUMENT:
      return "FL_INVALID_ARGUMENT";
    case FL_UNSUPPORTED:
      return "FL_UNSUPPORTED";
    case FL_DEVICE_LOST:
      return "FL_DEVICE_LOST";
    case FL_ABSENT:
      return "FL_ABSENT";
    case FL_INTERNAL:
      return "FL_INTERNAL";
  }
  return "unknown status";
}

}  // namespace fl

extern "C" const char* fl_last_error(void) { return fl::last_error(); }
