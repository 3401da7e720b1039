// Which programs, side by side, may run as one program with longer blocks.
//
// A tile touches memory in pieces of rows, as long as its block is wide: 64 floats here, the next 64 two pages on, and
// all that is done once a program for no more than that. Where programs differ only by where they stand along one
// dimension - id * extent + make_range(0, extent), and nothing else depends on the id - `n` of them are one whose
// blocks have n * extent positions there: Triton promises no order among programs. The grid and the kernel stay as they
// are; only the loop over program ids takes several at a time.
#ifndef FLAGOS_COMPILER_ANALYSIS_PROGRAM_GROUPS_H_
#define FLAGOS_COMPILER_ANALYSIS_PROGRAM_GROUPS_H_

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "compiler/ttir/ir.h"

namespace fl::compiler {

struct ProgramGroups {
  int64_t extent;  // positions of one program
  // The blocks that grow, and the dimension that they grow along. A block that is the same in all programs grows too
  // where it meets one that does.
  std::unordered_map<const ttir::Value*, size_t> dimension;
};

// Groups along an axis of the grid (0, 1, 2). Nothing for kernels with control flow, scalar stores, or anything that is
// not done element by element.
std::optional<ProgramGroups> find_program_groups(const ttir::Function& function, size_t axis);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_ANALYSIS_PROGRAM_GROUPS_H_
