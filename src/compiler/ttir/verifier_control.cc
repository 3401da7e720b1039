// Loops, branches, and what is visible where.

#include <map>
#include <set>

#include "compiler/ttir/verifier_rules.h"

namespace fl::ttir {

const Operation& Verifier::last(const Operation& parent, const Region& region, Op expected) {
  need(region.blocks.size() == 1, parent, "has regions of one block");
  const Operation* end = region.entry().terminator();
  need(end != nullptr && end->op == expected, parent, std::string("has a region that ends in ") + name_of(expected));
  return *end;
}

void Verifier::yields(const Operation& op, size_t first, const std::vector<Value*>& wanted, const char* who) {
  bool fits = op.operands.size() == first + wanted.size();
  for (size_t i = 0; fits && i < wanted.size(); ++i) fits = op.operands[first + i]->type == wanted[i]->type;
  need(fits, op, std::string("passes the values that ") + who + " expects");
}

void Verifier::loop(const Operation& op) {
  need(op.operands.size() >= 3 && op.regions.size() == 1, op, "has bounds, a step and a body");
  const Type& type = operand(op, 0);
  need(!type.tensor && type.holds_integer() && type == operand(op, 1) && type == operand(op, 2), op,
       "counts with one integer type");
  const auto& arguments = op.regions[0]->entry().arguments;
  const size_t carried = op.operands.size() - 3;
  need(arguments.size() == carried + 1 && op.results.size() == carried, op, "carries as many values as it starts with");
  for (size_t i = 0; i < carried; ++i) {
    need(arguments[i + 1]->type == operand(op, i + 3) && op.results[i]->type == operand(op, i + 3), op,
         "keeps the types of what it carries");
  }
  yields(last(op, *op.regions[0], Op::kYield), 0, op.results, "the loop");
}

void Verifier::conditional(const Operation& op) {
  need(op.operands.size() == 1 && operand(op, 0).is(Scalar::kI1), op, "takes an i1");
  need(op.results.empty() || op.regions.size() == 2, op, "needs an else when it has results");
  for (const Region* region : op.regions) yields(last(op, *region, Op::kYield), 0, op.results, "the if");
}

void Verifier::while_loop(const Operation& op) {
  need(op.regions.size() == 2, op, "has two regions");
  const auto& before = op.regions[0]->entry().arguments;
  const auto& after = op.regions[1]->entry().arguments;
  bool fits = before.size() == op.operands.size() && after.size() == op.results.size();
  for (size_t i = 0; fits && i < before.size(); ++i) fits = before[i]->type == operand(op, i);
  for (size_t i = 0; fits && i < after.size(); ++i) fits = after[i]->type == op.results[i]->type;
  need(fits, op, "carries as many values as it starts with and returns");
  const Operation& condition = last(op, *op.regions[0], Op::kCondition);
  need(!condition.operands.empty() && operand(condition, 0).is(Scalar::kI1), condition, "takes an i1");
  yields(condition, 1, op.results, "the loop");
  yields(last(op, *op.regions[1], Op::kYield), 0, before, "the loop");
}

void Verifier::branch(const Operation& op) {
  need(op.parent->parent->parent == nullptr, op, "stands in the function's body only");
  if (op.op == Op::kCondBranch) need(op.operands.size() == 1 && operand(op, 0).is(Scalar::kI1), op, "takes an i1");
}

// Early returns make blocks that only lead forward; loops are scf.for and scf.while. Since names are visible from where
// they are defined to the end of the region, a value could be used in a block that its definition does not dominate:
// a block may use values of the first block, of its own and, where it has one predecessor, of what that one may use.
void Verifier::branches_go_forward(const Region& body) {
  std::map<const Block*, size_t> position;
  for (size_t i = 0; i < body.blocks.size(); ++i) position[body.blocks[i]] = i;
  std::map<const Block*, std::set<const Block*>> dominators;
  dominators[body.blocks[0]] = {body.blocks[0]};
  for (const Block* from : body.blocks) {
    const Operation* end = from->terminator();
    for (const Block* to : end->successors) {
      need(position.at(to) > position.at(from), *end, "goes to a block that stands behind it");
      std::set<const Block*> through = dominators[from];
      through.insert(to);
      auto [known, first] = dominators.try_emplace(to, through);
      if (first) continue;
      std::set<const Block*> common{to};
      for (const Block* block : known->second)
        if (through.contains(block)) common.insert(block);
      known->second = common;
    }
  }
  // Null for a block that the function does not hold: one whose header gave way to another.
  auto owner = [&body](const Block* block) -> const Block* {
    while (block->parent != &body) {
      if (block->parent == nullptr || block->parent->parent == nullptr) return nullptr;
      block = block->parent->parent->parent;
    }
    return block;
  };
  std::vector<const Operation*> open;
  for (const Block* block : body.blocks) {
    const std::set<const Block*>& visible = dominators[block];
    for (const Operation* op : block->operations) open.push_back(op);
    while (!open.empty()) {
      const Operation* op = open.back();
      open.pop_back();
      for (const Value* value : op->operands) {
        const Block* home = owner(value->producer != nullptr ? value->producer->parent : value->owner);
        need(home != nullptr && (home == block || home == body.blocks[0] || visible.contains(home)), *op,
             "uses %" + value->name + ", which may not have been computed");
      }
      for (const Region* region : op->regions) {
        for (const Block* inner : region->blocks)
          open.insert(open.end(), inner->operations.begin(), inner->operations.end());
      }
    }
  }
}

}  // namespace fl::ttir
