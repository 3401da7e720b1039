// A counted loop in LLVM text, with values that it carries.
#ifndef FLAGOS_COMPILER_LOWER_TEXT_COUNTED_LOOP_H_
#define FLAGOS_COMPILER_LOWER_TEXT_COUNTED_LOOP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "compiler/lower/instructions/elementwise.h"

namespace fl::compiler {

struct Carried {
  std::string type;
  std::string current;  // before the loop its start, in the body what comes in, then what goes on; at last the result
};

using LoopBody = std::function<void(Stream& head, const std::string& position)>;

// Appends `for (i64 position = from; position < to; position += step)` to `out`. Bottom-tested: `may_be_empty` adds the
// test in front. The body is written into one stream, which may come to have several blocks.
void counted_loop(LlvmModule& module, Elementwise& ops, Stream& out, const std::string& from, const std::string& to,
                  int64_t step, bool may_be_empty, std::vector<Carried>* carried, const LoopBody& body);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_TEXT_COUNTED_LOOP_H_
