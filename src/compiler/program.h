// A lowered kernel and what it was lowered from: the object behind fl_compiler_program.
#ifndef FLAGOS_COMPILER_PROGRAM_H_
#define FLAGOS_COMPILER_PROGRAM_H_

#include <memory>
#include <string>
#include <string_view>

#include "compiler/cache/compiled.h"
#include "compiler/lower/kernel/kernel.h"
#include "compiler/target.h"
#include "compiler/ttir/ir.h"
#include "flagos/compiler.h"

struct fl_compiler_program {
  fl::compiler::Key key;
  std::unique_ptr<fl::ttir::Module> module;
  fl::compiler::LoweredKernel kernel;
};

namespace fl::compiler {

// This host's, found once.
const Target& target();
// By name; names and their targets live as long as the process.
const Target& target(const std::string& name);

// Throws an Error of FL_INVALID_ARGUMENT for options without their struct_size. `options` may be null.
Key key_of(std::string_view ttir, const fl_compiler_options* options);

Argument argument_of(const ttir::Type& type);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_PROGRAM_H_
