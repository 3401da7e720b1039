// Text of TTIR to tile IR. The text is what stock Triton prints without locations after its own passes: custom assembly
// for all operations but tt.reduce and tt.scan, one public function in one module.
//
// The parser knows syntax and names: that each value is defined before it is used in a scope that sees it, and that a
// type written beside a use is the type of the value. What operations require of their types is verifier.h's.
#ifndef FLAGOS_COMPILER_TTIR_PARSER_H_
#define FLAGOS_COMPILER_TTIR_PARSER_H_

#include <memory>
#include <string_view>

#include "compiler/ttir/ir.h"

namespace fl::ttir {

// Throws an Error of FL_INVALID_ARGUMENT with line and column for whatever it does not understand, and of
// FL_UNSUPPORTED for an operation that is not on the list of ops.def, which it names.
std::unique_ptr<Module> parse(std::string_view text);

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_PARSER_H_
