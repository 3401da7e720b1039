// Handing a struct to a caller that may have been compiled with an older or a newer header.
#ifndef FLAGOS_RUNTIME_STRUCT_OUT_H_
#define FLAGOS_RUNTIME_STRUCT_OUT_H_

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace fl::runtime {

// Copies as much of `filled` as the caller's struct_size covers; its struct_size stays. Throws when it was not set.
template <class Struct>
void give_struct(Struct filled, Struct* out, const char* name) {
  if (!out || out->struct_size < 2 * sizeof(size_t)) {
    fail(FL_INVALID_ARGUMENT, "%s.struct_size is not set: set it to sizeof(%s) before the call.", name, name);
  }
  filled.struct_size = out->struct_size;
  std::memcpy(out, &filled, std::min(out->struct_size, sizeof(Struct)));
}

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_STRUCT_OUT_H_
