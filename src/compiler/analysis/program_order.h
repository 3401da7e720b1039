// Which of a kernel's program ids is best counted first.
#ifndef FLAGOS_COMPILER_ANALYSIS_PROGRAM_ORDER_H_
#define FLAGOS_COMPILER_ANALYSIS_PROGRAM_ORDER_H_

#include <cstddef>
#include <functional>

#include "compiler/ttir/ir.h"

namespace fl::compiler {

// The axis whose neighbouring programs write next to each other in memory, so that running them one after the other
// walks along rows; 0 where none can be told, and for kernels in which order may matter to more than speed: with
// products, whose packed factors consecutive programs share, atomics, or loops that may wait. `is_one`: whether a
// scalar is known to be 1.
size_t fastest_axis(const ttir::Function& function, const std::function<bool(const ttir::Value*)>& is_one);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_ANALYSIS_PROGRAM_ORDER_H_
