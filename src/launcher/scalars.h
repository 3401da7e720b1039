// A Python number as the bytes of a kernel's scalar.
#ifndef FLAGOS_LAUNCHER_SCALARS_H_
#define FLAGOS_LAUNCHER_SCALARS_H_

#include <cstdint>
#include <string_view>

#include "launcher/python.h"

namespace fl::launcher {

// clang-format off
enum class Kind : uint8_t {
  kAddress, kBool,
  kI8, kI16, kI32, kI64,
  kU8, kU16, kU32, kU64,
  kF16, kBF16, kF32, kF64,
};
// clang-format on

// The kind that Triton's signature names: "*fp32", "i32", "u1", "fp64". ValueError for one that is not known.
Kind kind_named(std::string_view name);

// Writes the value to the low bytes of *place. `name` is the argument's, for errors: TypeError for what is no number,
// OverflowError for an integer that the kind cannot hold. Floats are rounded to nearest even, and to infinity.
void pack(Kind kind, PyObject* value, const char* name, uint64_t* place);

}  // namespace fl::launcher

#endif  // FLAGOS_LAUNCHER_SCALARS_H_
