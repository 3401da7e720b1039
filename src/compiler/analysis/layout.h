// Along which dimension of each block strips run, in the nests that compute it and in the arena.
//
// Loads and stores are fast where neighbours of the block are neighbours in memory, which need not be along the last
// dimension: a sum over the first axis is written over blocks of [columns, rows], too. The dimension is chosen once for
// all blocks between which elements keep their places, by the loads and stores among them, those in loops first. It is
// a preference: whatever it says, code is right.
#ifndef FLAGOS_COMPILER_ANALYSIS_LAYOUT_H_
#define FLAGOS_COMPILER_ANALYSIS_LAYOUT_H_

#include <cstdint>
#include <map>
#include <unordered_map>

#include "compiler/analysis/schedule.h"
#include "compiler/ttir/ir.h"

namespace fl::compiler {

// The last dimension of more than one position.
size_t last_dimension(const std::vector<int64_t>& shape);

class Layout {
 public:
  // `constants`: arguments, by number, whose value is fixed. Keeps no reference to them or to the schedule.
  Layout(const ttir::Function& function, const Schedule& schedule, const std::map<size_t, int64_t>& constants);

  // Of a block of rank 1 or more; has more than one position unless all dimensions have one.
  size_t fastest(const ttir::Value* block) const;

 private:
  std::unordered_map<const ttir::Value*, size_t> fastest_;  // where it is not the last dimension
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_ANALYSIS_LAYOUT_H_
