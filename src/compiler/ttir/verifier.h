// Judges tile IR: whether each operation has the operands, types, attributes and regions that its definition requires,
// so that analysis and lowering may rely on them without asking. The rules are listed in verifier.cc, one function a
// kind. What is valid but cannot be lowered is refused later, by lower/.
#ifndef FLAGOS_COMPILER_TTIR_VERIFIER_H_
#define FLAGOS_COMPILER_TTIR_VERIFIER_H_

#include "compiler/ttir/ir.h"

namespace fl::ttir {

// Throws an Error of FL_INVALID_ARGUMENT, "line L, column C: 'arith.addi' ...", for the first rule that is broken.
void verify(const Module& module);

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_VERIFIER_H_
