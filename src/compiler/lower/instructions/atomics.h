// Atomic operations on one element, as LLVM instructions. Scalars and the elements of blocks go the same way.
#ifndef FLAGOS_COMPILER_LOWER_INSTRUCTIONS_ATOMICS_H_
#define FLAGOS_COMPILER_LOWER_INSTRUCTIONS_ATOMICS_H_

#include <string>
#include <vector>

#include "compiler/lower/instructions/elementwise.h"

namespace fl::compiler {

// Writes tt.atomic_rmw or tt.atomic_cas on scalars: address (i64), values, and a mask ("" for none). Returns the old
// value; where the mask is off, memory is not touched and the result is zero.
std::string atomic_element(LlvmModule& module, Elementwise& ops, const ttir::Operation& op,
                           const std::vector<std::string>& operands, const std::string& mask, Stream& out);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_INSTRUCTIONS_ATOMICS_H_
