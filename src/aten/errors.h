// The one place where a status of the core becomes PyTorch's exception.
#pragma once

#include <c10/macros/Macros.h>

#include "flagos/base.h"

namespace flagos {

// Throws what belongs to `status`, with fl_last_error()'s text: OutOfMemoryError (torch.OutOfMemoryError in Python),
// ValueError for a bad argument, NotImplementedError for what is unsupported or absent, AcceleratorError for a lost
// device, else Error (RuntimeError).
[[noreturn]] void raise(fl_status status);

inline void check(fl_status status) {
  if (C10_UNLIKELY(status != FL_OK)) raise(status);
}

// For calls that must not throw (deleters, the guard's noexcept members): logs the failure and goes on.
void log_failure(fl_status status, const char* what) noexcept;

}  // namespace flagos
