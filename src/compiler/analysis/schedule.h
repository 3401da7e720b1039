// Decides, before any code is written, where each block of a kernel is computed.
//
// A block is an iteration space, not a value: unless it is on the list of `stored`, it is computed again, strip by
// strip, inside each loop nest that needs it. Nests stand at *sites*: stores, atomics, reductions, scans, dots, and the
// places where control flow passes a block on. Stored blocks get memory in the thread's arena and a nest of their own
// where they are defined. A block is stored when
//   - it is a load and something between it and a site may write memory, or it is volatile;
//   - it would be computed at several sites, or in a loop around one, and costs more than reading it back;
//   - its expression is so large that nests would grow beyond what the code generator does in linear time.
// Adjacent stores of one shape share a nest.
#ifndef FLAGOS_COMPILER_ANALYSIS_SCHEDULE_H_
#define FLAGOS_COMPILER_ANALYSIS_SCHEDULE_H_

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/ttir/ir.h"

namespace fl::compiler {

// A block carried round a loop that only grows by the same amount in each element: start + splat(total of `step`).
struct Induction {
  const ttir::Value* start;
  const ttir::Operation* step;  // the addptr or addi whose second operand is uniform
};

struct Schedule {
  std::unordered_map<const ttir::Operation*, int> position;  // in the order of the text
  std::unordered_map<const ttir::Operation*, int> end;       // the last position inside its regions
  std::unordered_map<const ttir::Value*, int> last_use;      // the last position at which the block may be read
  std::unordered_map<const ttir::Value*, int> uses;          // as an operand
  std::unordered_set<const ttir::Value*> stored;
  std::unordered_map<const ttir::Value*, const char*> why_stored;  // for people
  std::unordered_map<const ttir::Value*, Induction> inductions;    // by the body's argument and by the loop's result
  // The stores of one nest, by the last of them; other members of a group are not in the table.
  std::unordered_map<const ttir::Operation*, std::vector<const ttir::Operation*>> store_groups;
};

Schedule make_schedule(const ttir::Function& function);

// What computing one strip costs, in instructions, roughly; address and mask arithmetic mostly disappears.
int strip_cost(const ttir::Operation& op);

// The scalar that `block` repeats in each element, or null: through splat, broadcast, expand_dims, reshape, trans.
// A dense constant is its own scalar: the constant operation's result is returned.
const ttir::Value* uniform_source(const ttir::Value* block);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_ANALYSIS_SCHEDULE_H_
