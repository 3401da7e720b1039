#include "base/error.h"

#include <cstdarg>

#include "base/text.h"

namespace fl {
namespace {

thread_local std::string t_text;
thread_local bool t_text_lost = false;  // the text did not fit in memory

}  // namespace

void fail(fl_status status, const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = formatted_list(format, args);
  va_end(args);
  throw Error(status, text);
}

void set_last_error(std::string text) noexcept {
  t_text = std::move(text);
  t_text_lost = false;
}

void set_last_error(const char* text) noexcept {
  try {
    t_text = text;
    t_text_lost = false;
  } catch (const std::bad_alloc&) {
    t_text_lost = true;
  }
}

const char* last_error() noexcept {
  return t_text_lost ? "An error whose text found no memory; free memory and try again." : t_text.c_str();
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
