// A number as the bit pattern of a floating type, rounded to nearest even, and back. For constants only: what a kernel
// computes is lowered to instructions.
#ifndef FLAGOS_COMPILER_TTIR_FLOAT_BITS_H_
#define FLAGOS_COMPILER_TTIR_FLOAT_BITS_H_

#include <cstdint>

#include "compiler/ttir/type.h"

namespace fl::ttir {

uint64_t float_bits(double value, Scalar type);
double float_value(uint64_t bits, Scalar type);

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_FLOAT_BITS_H_
