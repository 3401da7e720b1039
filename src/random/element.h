// The element types of fl_dtype: how each is read, rounded to and bounded. Branch-free, so that loops over it
// vectorise.
#ifndef FLAGOS_RANDOM_ELEMENT_H_
#define FLAGOS_RANDOM_ELEMENT_H_

#include <cstdint>
#include <limits>
#include <type_traits>

#include "flagos/random.h"

namespace fl::random {
namespace {

struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

inline uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
inline uint64_t bits_of(double x) { return __builtin_bit_cast(uint64_t, x); }
inline float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline double double_of(uint64_t bits) { return __builtin_bit_cast(double, bits); }

// The type in which values of T are computed.
template <class T>
using Computed = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
constexpr bool kFloating = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> || std::is_floating_point_v<T>;

// Rounds to nearest, ties to even; too large gives infinity; a NaN stays one.
template <class T>
inline T rounded(Computed<T> x) {
  if constexpr (std::is_same_v<T, Half>) {
    const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    // Adding 0.5, whose last bit weighs 2^-24, rounds to the half's subnormal step in the lower bits of the sum.
    const uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    const uint32_t normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    const uint32_t beyond = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    const uint32_t finite = magnitude < 0x38800000 ? subnormal : normal;
    return {static_cast<uint16_t>((magnitude < 0x47800000 ? finite : beyond) | (bits >> 16 & 0x8000))};
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    const uint32_t bits = bits_of(x);
    const uint32_t number = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return {static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : number)};
  } else {
    return x;
  }
}

template <class T>
inline Computed<T> widened(T x) {
  if constexpr (std::is_same_v<T, Half>) {
    const uint32_t magnitude = static_cast<uint32_t>(x.bits & 0x7fff) << 13;
    // With the exponent of 2^-14 put in, subtracting 2^-14 leaves the subnormal's value; no subnormal float appears.
    const uint32_t subnormal = bits_of(float_of(magnitude + (113u << 23)) - float_of(113u << 23));
    const uint32_t normal = magnitude + (112u << 23) + (magnitude >= 0x7c00u << 13 ? 112u << 23 : 0);
    const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16;
    return float_of((magnitude < 1u << 23 ? subnormal : normal) | sign);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return float_of(static_cast<uint32_t>(x.bits) << 16);
  } else {
    return x;
  }
}

// The largest finite value and the smallest positive one of a floating T.
template <class T>
constexpr Computed<T> largest() {
  if constexpr (std::is_same_v<T, Half>)
    return 65504.0f;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return 0x1.fep127f;
  else
    return std::numeric_limits<T>::max();
}
template <class T>
constexpr Computed<T> smallest() {
  if constexpr (std::is_same_v<T, Half>)
    return 0x1p-24f;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return 0x1p-133f;
  else
    return std::numeric_limits<T>::denorm_min();
}

// The next value of T below x, itself a value of T.
template <class T>
inline Computed<T> next_below(Computed<T> x) {
  if (x == 0) return -smallest<T>();
  if constexpr (std::is_same_v<T, double>)
    return double_of(x > 0 ? bits_of(x) - 1 : bits_of(x) + 1);
  else if constexpr (std::is_same_v<T, float>)
    return float_of(x > 0 ? bits_of(x) - 1 : bits_of(x) + 1);
  else {
    const uint16_t bits = rounded<T>(x).bits;
    return widened(T{static_cast<uint16_t>(x > 0 ? bits - 1 : bits + 1)});
  }
}

// Calls body(T{}) with the type of `dtype`: every dtype, or the floating ones (others do nothing). The public functions
// have checked the dtype before.
template <class Body>
void with_element(fl_dtype dtype, Body&& body) {
  switch (dtype) {
    case FL_BOOL:
      return body(bool{});
    case FL_UINT8:
      return body(uint8_t{});
    case FL_INT8:
      return body(int8_t{});
    case FL_UINT16:
      return body(uint16_t{});
    case FL_INT16:
      return body(int16_t{});
    case FL_UINT32:
      return body(uint32_t{});
    case FL_INT32:
      return body(int32_t{});
    case FL_UINT64:
      return body(uint64_t{});
    case FL_INT64:
      return body(int64_t{});
    case FL_FLOAT16:
      return body(Half{});
    case FL_BFLOAT16:
      return body(BFloat16{});
    case FL_FLOAT32:
      return body(float{});
    case FL_FLOAT64:
      return body(double{});
  }
}
template <class Body>
void with_floating(fl_dtype dtype, Body&& body) {
  switch (dtype) {
    case FL_FLOAT16:
      return body(Half{});
    case FL_BFLOAT16:
      return body(BFloat16{});
    case FL_FLOAT32:
      return body(float{});
    case FL_FLOAT64:
      return body(double{});
    default:
      return;
  }
}

}  // namespace
}  // namespace fl::random

#endif  // FLAGOS_RANDOM_ELEMENT_H_
