#include "random/dtype.h"

#include "base/error.h"

namespace fl::random {

const DtypeTraits& require_any(const char* what, fl_dtype dtype) {
  const DtypeTraits* traits = traits_of(dtype);
  if (traits == nullptr) fail(FL_UNSUPPORTED, "random %s: %d is no fl_dtype; pass one of random.h", what, int{dtype});
  return *traits;
}

const DtypeTraits& require_floating(const char* what, fl_dtype dtype) {
  const DtypeTraits& traits = require_any(what, dtype);
  if (!traits.floating) {
    fail(FL_UNSUPPORTED, "random %s works on float16, bfloat16, float32 and float64, not on %s; convert the result",
         what, traits.name);
  }
  return traits;
}

void require_offset(const char* what, uint64_t offset) {
  if (offset % 4 != 0) {
    fail(FL_INVALID_ARGUMENT, "random %s: the offset %llu is no multiple of 4; advance it by fl_random_advance", what,
         static_cast<unsigned long long>(offset));
  }
}

}  // namespace fl::random

extern "C" {

uint64_t fl_random_advance(int64_t count) { return count > 0 ? (static_cast<uint64_t>(count) + 3) / 4 * 4 : 0; }

uint64_t fl_random_natural_range(fl_dtype dtype) {
  const fl::random::DtypeTraits* traits = fl::random::traits_of(dtype);
  return traits != nullptr ? traits->natural_range : 0;
}

}  // extern "C"
