// Handing out a struct of the C ABI whose first member is struct_size, to a caller that may have been compiled with an
// older, shorter version of it: only the members that the caller knows are written.
#ifndef FLAGOS_BASE_STRUCT_SIZE_H_
#define FLAGOS_BASE_STRUCT_SIZE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "base/error.h"

namespace fl {

// The caller has set out->struct_size to the size that it was compiled with; it stays as it was.
template <class Struct>
void fill_struct(Struct* out, const Struct& all) {
  static_assert(std::is_trivially_copyable_v<Struct> && offsetof(Struct, struct_size) == 0);
  if (out == nullptr || out->struct_size < 2 * sizeof(size_t)) {
    fail(FL_INVALID_ARGUMENT,
         "A struct to be filled came without its struct_size; set it to the sizeof of the struct.");
  }
  const size_t known = std::min(out->struct_size, sizeof(Struct));
  std::memcpy(reinterpret_cast<char*>(out) + sizeof(size_t), reinterpret_cast<const char*>(&all) + sizeof(size_t),
              known - sizeof(size_t));
}

}  // namespace fl

#endif  // FLAGOS_BASE_STRUCT_SIZE_H_
