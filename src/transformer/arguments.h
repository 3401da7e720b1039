// Checks that the public functions share, and how many rows a thread takes at least.
#ifndef FLAGOS_TRANSFORMER_ARGUMENTS_H_
#define FLAGOS_TRANSFORMER_ARGUMENTS_H_

#include <algorithm>

#include "base/error.h"
#include "flagos/transformer.h"

namespace fl::transformer {

inline void require(bool holds, const char* function, const char* expected) {
  if (!holds) fail(FL_INVALID_ARGUMENT, "%s: %s", function, expected);
}

inline void require_floating(const char* function, fl_dtype dtype) {
  if (dtype != FL_FLOAT16 && dtype != FL_BFLOAT16 && dtype != FL_FLOAT32)
    fail(FL_UNSUPPORTED, "%s works on float16, bfloat16 and float32, not on dtype %d; convert the operand", function,
         int{dtype});
}

// Rows of `width` elements that make up work worth a second thread: some ten microseconds.
inline int64_t grain(int64_t width) { return std::max<int64_t>(1, 32768 / std::max<int64_t>(width, 1)); }

}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_ARGUMENTS_H_
