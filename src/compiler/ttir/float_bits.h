// A number as the bit pattern of a floating type, rounded to nearest even, and back. For constants only: what a kernel
// computes is lowered to instructions.
#pragma once

#include <cstdint>

#include "compiler/ttir/type.h"

namespace fl::ttir {

uint64_t float_bits(double value, Scalar type);
double float_value(uint64_t bits, Scalar type);

}  // namespace fl::ttir
