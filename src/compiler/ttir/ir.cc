#include "compiler/ttir/ir.h"

#include <unordered_map>

namespace fl::ttir {
namespace {

constexpr OpRow kRows[] = {
#define FL_TTIR_OP(enumerator, name, syntax, rule, effect) {name, Syntax::syntax, Rule::rule, Effect::effect},
#include "compiler/ttir/ops.def"
#undef FL_TTIR_OP
};

}  // namespace

const OpRow& row_of(Op op) { return kRows[static_cast<size_t>(op)]; }

bool op_from_name(std::string_view name, Op* op) {
  static const auto* const index = [] {
    auto* table = new std::unordered_map<std::string_view, Op>();  // lives as long as the process
    for (size_t i = 0; i < std::size(kRows); ++i) table->emplace(kRows[i].name, static_cast<Op>(i));
    return table;
  }();
  auto found = index->find(name);
  if (found == index->end()) return false;
  *op = found->second;
  return true;
}

bool maps_elements(const Operation& op) {
  switch (op.op) {
    case Op::kMakeRange:
    case Op::kJoin:
    case Op::kSplit:
    case Op::kCat:
    case Op::kGather:
    case Op::kHistogram:
    case Op::kDot:
      return false;
    default:  // reductions and scans have regions
      return row_of(op.op).effect == Effect::kPure && op.regions.empty();
  }
}

}  // namespace fl::ttir
