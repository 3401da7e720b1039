// Which of a kernel's integer arguments are strides: they multiply positions, so that knowing them to be one turns
// gathers into strips. Launches make a variant of the kernel for them.
#ifndef FLAGOS_COMPILER_ANALYSIS_STRIDES_H_
#define FLAGOS_COMPILER_ANALYSIS_STRIDES_H_

#include <cstdint>

#include "compiler/ttir/ir.h"

namespace fl::compiler {

// Bit i for argument i; arguments beyond the 64th are not looked at.
uint64_t stride_arguments(const ttir::Function& function);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_ANALYSIS_STRIDES_H_
