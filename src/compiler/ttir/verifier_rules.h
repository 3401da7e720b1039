// The verifier's inside: one function a kind of operation. verifier.cc holds types, memory and the walk,
// verifier_shapes.cc what changes shapes, verifier_control.cc regions and branches.
#ifndef FLAGOS_COMPILER_TTIR_VERIFIER_RULES_H_
#define FLAGOS_COMPILER_TTIR_VERIFIER_RULES_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "compiler/ttir/ir.h"

namespace fl::ttir {

class Verifier {
 public:
  void run(const Module& module);

 private:
  void region(const Region& region);
  void block(const Block& block);
  void operation(const Operation& op);
  void same(const Operation& op);
  void cast(const Operation& op, Rule rule);
  void own(const Operation& op);
  void compare(const Operation& op);
  void shape_change(const Operation& op);
  void pointer(const Operation& op);
  void memory(const Operation& op);
  void atomic(const Operation& op);
  void combine(const Operation& op);
  void dot(const Operation& op);
  void loop(const Operation& op);
  void conditional(const Operation& op);
  void while_loop(const Operation& op);
  void branch(const Operation& op);
  void branches_go_forward(const Region& body);

  static void need(bool holds, const Operation& op, const std::string& rule) {
    if (holds) return;
    fail(FL_INVALID_ARGUMENT, "line %d, column %d: '%s' %s", op.where.line, op.where.column, name_of(op.op),
         rule.c_str());
  }
  static void count(const Operation& op, size_t operands, size_t results) {
    need(op.operands.size() == operands, op, "takes " + std::to_string(operands) + " operands");
    need(op.results.size() == results, op, "has " + std::to_string(results) + " results");
  }
  static const Type& operand(const Operation& op, size_t index) { return op.operands[index]->type; }
  static const Type& result(const Operation& op) { return op.result()->type; }
  // Operands `first`.. of `op`, the terminator, are what `wanted` says.
  static void yields(const Operation& op, size_t first, const std::vector<Value*>& wanted, const char* who);
  static const Operation& last(const Operation& parent, const Region& region, Op expected);
};

inline bool is_mask(const Type& type) { return !type.pointer && type.scalar == Scalar::kI1; }

inline bool one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_VERIFIER_RULES_H_
