// The one logger: a line a record, "flagos WARNING: text", to stderr or to the sink that a program installs.
// FLAGOS_LOG_LEVEL chooses what is shown. It never throws, and nothing else in the project prints.
#ifndef FLAGOS_BASE_LOG_H_
#define FLAGOS_BASE_LOG_H_

#include <cstdint>

#include "flagos/base.h"

namespace fl {

// `level` is FL_LOG_ERROR .. FL_LOG_DEBUG. The text needs no line end.
void log(int32_t level, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));

// False when a record of this level would be dropped: ask before work that only the record needs.
bool log_enabled(int32_t level) noexcept;

}  // namespace fl

#endif  // FLAGOS_BASE_LOG_H_
