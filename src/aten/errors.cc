#include "aten/errors.h"

#include <c10/util/Exception.h>

#include <string>

namespace flagos {
namespace {
c10::SourceLocation here() { return {__func__, __FILE__, static_cast<uint32_t>(__LINE__)}; }
}  // namespace

void raise(fl_status status) {
  std::string text = fl_last_error();
  switch (status) {
    case FL_OUT_OF_MEMORY:
      throw c10::OutOfMemoryError(here(), std::move(text));
    case FL_INVALID_ARGUMENT:
      throw c10::ValueError(here(), std::move(text));
    case FL_UNSUPPORTED:
    case FL_ABSENT:
      throw c10::NotImplementedError(here(), std::move(text));
    case FL_DEVICE_LOST:
      throw c10::AcceleratorError(here(), static_cast<int32_t>(status), std::move(text));
    default:
      throw c10::Error(here(), std::move(text));
  }
}

void log_failure(fl_status status, const char* what) noexcept {
  if (status == FL_OK || status == FL_NOT_READY) return;
  // The record is built on the stack: this runs where memory may be short.
  char text[1024];
  snprintf(text, sizeof text, "%s: %s", what, fl_last_error());
  fl_log(FL_LOG_ERROR, text);
}

}  // namespace flagos
