// Straight-line code in another order.
#ifndef FLAGOS_COMPILER_LOWER_INSTRUCTIONS_INTERLEAVE_H_
#define FLAGOS_COMPILER_LOWER_INSTRUCTIONS_INTERLEAVE_H_

#include <string>
#include <vector>

namespace fl::compiler {

// One text of all parts, a line of each in turn, every line behind those that it needs. Parts that come one after the
// other are right by themselves; with a label in any of them they stay so.
//
// The strips of one iteration are such parts. An exponential is a chain of twenty instructions, and a scheduler of 64
// entries (Zen 4) sees three of them when they follow one another; the code generator keeps the order that it is given.
std::string interleaved(const std::vector<std::string>& parts);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_INSTRUCTIONS_INTERLEAVE_H_
