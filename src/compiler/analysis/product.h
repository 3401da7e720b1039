// Matrix products: which dots may be done later than where they stand, what their factors depend on, and which part of
// their sum anybody looks at.
//
// A dot whose sum only goes round its loop need not run in each iteration: its factors are packed where they stand, and
// the products of many iterations are taken at once, with the sums in registers for all of them. Nothing need be proved
// about memory for that, since all reading stays in its place.
#ifndef FLAGOS_COMPILER_ANALYSIS_PRODUCT_H_
#define FLAGOS_COMPILER_ANALYSIS_PRODUCT_H_

#include <optional>
#include <unordered_map>
#include <vector>

#include "compiler/analysis/schedule.h"
#include "compiler/ttir/ir.h"

namespace fl::compiler {

// Who uses a value, in the order of the text; an operation that uses it twice is there twice.
using Users = std::unordered_map<const ttir::Value*, std::vector<const ttir::Operation*>>;
Users find_users(const ttir::Function& function);

// The scf.for round `dot` whose iterations the dot may be put off to the end of: the sum comes in as the loop's own
// argument, is used by nothing else, and the result only goes on to the next iteration. Null where it must run at once.
const ttir::Operation* deferring_loop(const ttir::Operation& dot, const Users& users);

// The scalars, defined before `loop` (before `at` where it is null), that decide all that `block` holds, in every
// iteration of the loop; what is made of the kernel's arguments alone left out, which never changes within a launch.
// Two programs in which they are equal see the same block, as long as nothing writes the memory that it is loaded from.
// Nothing where they cannot be told.
std::optional<std::vector<const ttir::Value*>> deciders(const ttir::Value* block, const ttir::Operation* loop,
                                                        const Schedule& schedule);

// Whether programs may keep what they packed for the next one: no atomics, volatile loads or barriers by which programs
// could wait for each other, so that one that reads what another wrote is a race with either outcome; and no store of
// its own before `at`, which is not inside a loop.
bool may_keep_factors(const ttir::Function& function, const ttir::Operation& at, const Schedule& schedule);

// Whether nothing in the loop writes memory or looks at what others write: what it loads may then be loaded later, as
// long as that is before the loop's end.
bool only_reads(const ttir::Operation& loop);

// The masks of all stores that the elements of `sum` can reach, element on element. Nothing if some use looks at more
// than what a mask lets through.
std::optional<std::vector<const ttir::Value*>> masks_of_uses(const ttir::Value* sum, const Users& users);

// The one store that the sum goes to, as it is or rounded to a narrower float, when nothing but arithmetic stands
// between the last product and it: then the products may be written there at once. `loop` as in deferring_loop.
const ttir::Operation* only_store(const ttir::Operation& dot, const ttir::Operation* loop, const Users& users);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_ANALYSIS_PRODUCT_H_
