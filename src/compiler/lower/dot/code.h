// The functions of LLVM text that carry a DotPlan out. Each is defined in the module the first time it is asked for and
// called by name: a shape's code is there once, however many dots use it.
#ifndef FLAGOS_COMPILER_LOWER_DOT_CODE_H_
#define FLAGOS_COMPILER_LOWER_DOT_CODE_H_

#include <string>

#include "compiler/lower/dot/plan.h"
#include "compiler/lower/instructions/elementwise.h"
#include "compiler/lower/text/llvm_text.h"

namespace fl::compiler {

// void (ptr left, i64 left_row, i64 last_row, ptr right, ptr sums, i64 groups, i64 rows, i64 columns, i1 fresh,
//       ptr offset, ptr out, i64 pitch, i1 finish)
// sums[r][c] (row-major, plan.columns wide) += left[r] * right[c] over that many groups; taken as zero before when
// `fresh`. Rows of the left factor are `left_row` bytes apart. Rows and columns are rounded up to tiles; with vectors,
// rows behind `last_row` are not read, and of no meaning in the sums. `offset`: i32 a column, see Multiply::kQuads8,
// else not read. With plan.out and `finish` the sums are not written back but stored to `out`, rows `pitch` bytes
// apart.
std::string dot_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan);
std::string dot_function_amx(LlvmModule& module, Elementwise& ops, const DotPlan& plan);

// void (ptr right, i64 groups, i64 columns, ptr offset): what the shift of the left factor adds to each column's sums.
std::string offset_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan);

// What is packed: `span` positions of K vectors, in panels that are `panel_bytes` apart.
struct Packing {
  int64_t span = 0;
  int64_t panel = 0;
  int64_t panel_bytes = 0;
};

// void (ptr from, i64 pitch, ptr to, i64 count): from plan.depth rows, `pitch` bytes apart and contiguous along the
// span, to groups of plan.group rows: position i of group g at to + (i / panel) * panel_bytes + g * panel * lane_bytes
// + (i % panel) * lane_bytes. The first `count` of the span are needed; they are read rounded up to packed_at_once().
std::string interleave_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, const Packing& packing);

// The same from `span` rows that are contiguous along K.
std::string transpose_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, const Packing& packing);

// A power of two that divides plan.lanes.
int64_t packed_at_once(const DotPlan& plan, const Packing& packing, bool transposed);

// void (ptr left, ptr right, i64 pitch, ptr sums, i64 depth, i64 columns, i1 fresh): one row of floats times columns
// that are `pitch` bytes apart and contiguous along K, with sums of f32; `columns` rounded up to a multiple of 4 are
// written. `depth` is a multiple of row_depth(). Not `fused`, each product is rounded before it is added.
std::string row_function(LlvmModule& module, Elementwise& ops, Scalar factor, int lanes, bool fused);
int64_t row_depth(int lanes);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_DOT_CODE_H_
