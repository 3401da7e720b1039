// The functions of LLVM text that carry a DotPlan out. Each is defined in the module the first time it is asked for and
// called by name: a shape's code is there once, however many dots use it.
#ifndef FLAGOS_COMPILER_LOWER_DOT_CODE_H_
#define FLAGOS_COMPILER_LOWER_DOT_CODE_H_

#include <string>

#include "compiler/lower/dot_plan.h"
#include "compiler/lower/elementwise.h"
#include "compiler/lower/llvm_text.h"

namespace fl::compiler {

// void (ptr left, ptr right, ptr sums, i64 groups, i64 rows, i64 columns, i1 fresh, ptr offset, ptr out, i64 pitch,
//       i1 finish)
// sums[r][c] (row-major, plan.columns wide) += left[r] * right[c] over that many groups; taken as zero before when
// `fresh`. Rows and columns are rounded up to tiles. `offset`: i32 a column, see Multiply::kQuads8, else not read. With
// plan.out and `finish` the sums are not written back but stored to `out`, rows `pitch` bytes apart.
std::string dot_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan);
std::string dot_function_amx(LlvmModule& module, Elementwise& ops, const DotPlan& plan);

// void (ptr right, i64 groups, i64 columns, ptr offset): what the shift of the left factor adds to each column's sums.
std::string offset_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan);

// void (ptr from, ptr to, i64 count): from plan.depth rows of `span` elements, contiguous along `span`, to groups of
// plan.group rows: position i of group g at to + (i / panel) * panel_bytes + g * panel * lane_bytes + (i % panel) *
// lane_bytes. The first `count` of the span are needed.
std::string interleave_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, int64_t span, int64_t panel,
                                int64_t panel_bytes);

// The same from `span` rows of plan.depth elements, contiguous along K.
std::string transpose_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, int64_t span, int64_t panel,
                               int64_t panel_bytes);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_DOT_CODE_H_
