// Rows of elements as floats and back. The loops are branch-free and vectorise.
#ifndef FLAGOS_TRANSFORMER_ROWS_H_
#define FLAGOS_TRANSFORMER_ROWS_H_

#include <cstring>

#include "random/element.h"

namespace fl::transformer {
namespace {

using fl::random::BFloat16;
using fl::random::Half;

template <class T>
inline void widen_row(const T* __restrict from, int64_t count, float* __restrict to) {
  if constexpr (std::is_same_v<T, float>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = fl::random::widened(from[i]);
  }
}

template <class T>
inline void round_row(const float* __restrict from, int64_t count, T* __restrict to) {
  if constexpr (std::is_same_v<T, float>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = fl::random::rounded<T>(from[i]);
  }
}

// Calls body(T{}) with the element type; only the three that this room serves.
template <class Body>
inline void with_row_type(fl_dtype dtype, Body&& body) {
  if (dtype == FL_BFLOAT16) return body(BFloat16{});
  if (dtype == FL_FLOAT16) return body(Half{});
  return body(float{});
}

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_ROWS_H_
