// Names and sizes of fl_dtype, and the sets that the random functions accept.
#ifndef FLAGOS_RANDOM_DTYPE_H_
#define FLAGOS_RANDOM_DTYPE_H_

#include <cstddef>

#include "flagos/random.h"

namespace fl::random {

struct DtypeTraits {
  const char* name;
  size_t size;  // bytes an element
  bool floating;
  double largest;          // finite value, of a floating dtype
  uint64_t natural_range;  // fl_random_natural_range: 0 is 2^64
};

// Null for a number that is no dtype.
inline const DtypeTraits* traits_of(fl_dtype dtype) {
  static constexpr DtypeTraits kTraits[] = {
      {"bool", 1, false, 0, 2},
      {"uint8", 1, false, 0, 1ull << 8},
      {"int8", 1, false, 0, 1ull << 7},
      {"uint16", 2, false, 0, 1ull << 16},
      {"int16", 2, false, 0, 1ull << 15},
      {"uint32", 4, false, 0, 1ull << 32},
      {"int32", 4, false, 0, 1ull << 31},
      {"uint64", 8, false, 0, 0},
      {"int64", 8, false, 0, 1ull << 63},
      {"float16", 2, true, 65504.0, (1ull << 11) + 1},
      {"bfloat16", 2, true, 0x1.fep127, (1ull << 8) + 1},
      {"float32", 4, true, 0x1.fffffep127, (1ull << 24) + 1},
      {"float64", 8, true, 0x1.fffffffffffffp1023, (1ull << 53) + 1},
  };
  const auto index = static_cast<size_t>(dtype);
  return index < sizeof kTraits / sizeof *kTraits ? &kTraits[index] : nullptr;
}

// Throws FL_UNSUPPORTED where `what` has no kernel for the dtype.
const DtypeTraits& require_any(const char* what, fl_dtype dtype);
const DtypeTraits& require_floating(const char* what, fl_dtype dtype);

// Throws FL_INVALID_ARGUMENT for an offset that is no multiple of 4.
void require_offset(const char* what, uint64_t offset);

}  // namespace fl::random

#endif  // FLAGOS_RANDOM_DTYPE_H_
