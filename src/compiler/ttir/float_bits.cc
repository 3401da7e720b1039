#include "compiler/ttir/float_bits.h"

#include <bit>
#include <cmath>

namespace fl::ttir {
namespace {

// exponent and mantissa widths; whether the top exponent means infinity and NaN as in IEEE 754 (f8E4M3FN has no
// infinity and its only NaN is all ones).
struct Layout {
  int exponent;
  int mantissa;
  bool ieee;
};
Layout layout_of(Scalar type) {
  switch (type) {
    case Scalar::kF8E4M3:
      return {4, 3, false};
    case Scalar::kF8E5M2:
      return {5, 2, true};
    case Scalar::kF16:
      return {5, 10, true};
    case Scalar::kBF16:
      return {8, 7, true};
    default:
      return {8, 23, true};
  }
}

}  // namespace

uint64_t float_bits(double value, Scalar type) {
  if (type == Scalar::kF64) return std::bit_cast<uint64_t>(value);
  const Layout layout = layout_of(type);
  const uint64_t sign = static_cast<uint64_t>(std::signbit(value)) << (layout.exponent + layout.mantissa);
  const uint64_t top = ((uint64_t{1} << layout.exponent) - 1) << layout.mantissa;
  const uint64_t nan =
      layout.ieee ? top | (uint64_t{1} << (layout.mantissa - 1)) : top | ((uint64_t{1} << layout.mantissa) - 1);
  if (std::isnan(value)) return sign | nan;
  const uint64_t overflow = layout.ieee ? top : nan;
  if (std::isinf(value)) return sign | overflow;
  const int bias = (1 << (layout.exponent - 1)) - 1;
  const double magnitude = std::fabs(value);
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int scale = std::max(exponent - 1, 1 - bias);  // of the last place's exponent; denormals share the lowest
  const double steps = std::nearbyint(std::ldexp(magnitude, layout.mantissa - scale));
  // `steps` counts units in the last place from zero of that binade; a carry runs into the exponent field by itself.
  const uint64_t hidden = uint64_t{1} << layout.mantissa;
  const auto units = static_cast<uint64_t>(steps);
  const uint64_t bits = units < hidden ? units : (static_cast<uint64_t>(scale + bias - 1) << layout.mantissa) + units;
  return sign | (bits >= overflow ? overflow : bits);
}

double float_value(uint64_t bits, Scalar type) {
  if (type == Scalar::kF64) return std::bit_cast<double>(bits);
  const Layout layout = layout_of(type);
  const uint64_t mantissa = bits & ((uint64_t{1} << layout.mantissa) - 1);
  const auto exponent = static_cast<int>((bits >> layout.mantissa) & ((uint64_t{1} << layout.exponent) - 1));
  const double sign = (bits >> (layout.exponent + layout.mantissa)) & 1 ? -1.0 : 1.0;
  const int bias = (1 << (layout.exponent - 1)) - 1;
  const int highest = (1 << layout.exponent) - 1;
  if (exponent == highest) {
    if (layout.ieee) return mantissa == 0 ? sign * HUGE_VAL : std::copysign(std::nan(""), sign);
    if (mantissa == (uint64_t{1} << layout.mantissa) - 1) return std::copysign(std::nan(""), sign);
  }
  const double fraction = std::ldexp(static_cast<double>(mantissa), -layout.mantissa);
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias) : sign * std::ldexp(1 + fraction, exponent - bias);
}

}  // namespace fl::ttir
