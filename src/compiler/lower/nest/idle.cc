// What a block holds beyond the positions that a mask lets through: a reduction whose result no longer changes
// stops there. A block of 4096 for rows of 2100 then costs no more than 2100.

#include <algorithm>
#include <cmath>

#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

bool is_float_constant(const ttir::Operation& op, double number) {
  const std::string text = llvm_constant(op.constant, op.result()->type.scalar);
  return text == llvm_float(number, op.result()->type.scalar);
}

}  // namespace

Nest::Idle Nest::idle_constant(const ttir::Operation& op) {
  if (op.result()->type.pointer) return Idle::kSame;
  if (!op.result()->type.holds_float()) return op.constant == 0 ? Idle::kZero : Idle::kSame;
  if (is_float_constant(op, 0.0) || is_float_constant(op, -0.0)) return Idle::kZero;
  return is_float_constant(op, -HUGE_VAL) ? Idle::kLowest : Idle::kSame;
}

bool Nest::depends_on(const Value* mask, const Coordinates& at, const std::string& atom) {
  std::vector<Atom> parts;
  atoms(mask, at, &parts);
  return std::any_of(parts.begin(), parts.end(),
                     [&](const Atom& part) { return key(part.value, part.at, -1) == atom; });
}

// Where the atom does not hold. `known`: by key, so that what is shared is looked at once.
Nest::Idle Nest::idle(const Value* value, const Coordinates& at, const std::string& atom,
                      std::map<std::string, Idle>* known) {
  if (!value->type.tensor) {
    const bool constant = value->producer != nullptr && value->producer->op == Op::kConstant;
    return constant ? idle_constant(*value->producer) : Idle::kSame;
  }
  const std::string name = key(value, at, -1);
  if (auto found = known->find(name); found != known->end()) return found->second;
  const Idle result = idle_uncached(value, at, atom, known);
  return (*known)[name] = result;
}

Nest::Idle Nest::idle_uncached(const Value* value, const Coordinates& at, const std::string& atom,
                               std::map<std::string, Idle>* known) {
  const bool still = std::all_of(at.begin(), at.end(), [this](const Index& index) {
    return is_linear(index) && index.coefficients[vector_loop_] == 0;
  });
  const bool computed =
      !shared_.slots.contains(value) && !shared_.schedule.inductions.contains(value) && value->producer != nullptr;
  if (!computed) return still ? Idle::kSame : Idle::kVaries;
  const ttir::Operation& op = *value->producer;
  auto operand = [&](size_t i) {
    return idle(op.operands[i], op.operands[i]->type.tensor ? operand_coordinates(op, i, at) : Coordinates{}, atom,
                known);
  };
  switch (op.op) {
    case Op::kConstant:
      return idle_constant(op);
    case Op::kSplat:
    case Op::kExpandDims:
    case Op::kBroadcast:
    case Op::kTrans:
    case Op::kReshape:
    case Op::kExtF:
    case Op::kTruncF:
      return operand(0);
    case Op::kLoad:
      if (op.operands.size() > 1 && op.operands[1]->type.tensor && depends_on(op.operands[1], at, atom))
        return op.operands.size() > 2 ? operand(2) : Idle::kZero;
      return still ? Idle::kSame : Idle::kVaries;
    case Op::kSelect:
      if (op.operands[0]->type.tensor && depends_on(op.operands[0], at, atom)) return operand(2);
      break;
    case Op::kExp:
    case Op::kExp2:
      if (operand(0) == Idle::kLowest) return Idle::kZero;
      break;
    case Op::kSubF:
      if (operand(0) == Idle::kLowest && operand(1) != Idle::kVaries) return Idle::kLowest;
      break;
    case Op::kMulF:
      if (operand(0) == Idle::kZero && operand(1) != Idle::kVaries) return Idle::kZero;
      if (operand(1) == Idle::kZero && operand(0) != Idle::kVaries) return Idle::kZero;
      break;
    default:
      break;
  }
  if (still) return Idle::kSame;
  const bool pure = ttir::row_of(op.op).effect == ttir::Effect::kPure && op.regions.empty();
  if (!pure || op.operands.empty() || op.op == Op::kGather) return Idle::kVaries;
  for (size_t i = 0; i < op.operands.size(); ++i)
    if (operand(i) == Idle::kVaries) return Idle::kVaries;
  return Idle::kSame;
}

// What is combined once beyond the last live position changes nothing more when it is combined again: any one value for
// a maximum or minimum, nothing but zero (or NaN, which stays) for a sum.
bool Nest::is_idle_beyond(const ttir::Operation& reduction, const std::string& atom) {
  const Op step = reduction.regions[0]->entry().operations[0]->op;  // alone there: see neutral()
  std::map<std::string, Idle> known;
  const Idle held = idle(reduction.operands[0], coordinates_, atom, &known);
  switch (step) {
    case Op::kMaxNumF:
    case Op::kMinNumF:
    case Op::kMaximumF:
    case Op::kMinimumF:
    case Op::kMaxSI:
    case Op::kMinSI:
    case Op::kMaxUI:
    case Op::kMinUI:
    case Op::kAndI:
    case Op::kOrI:
      return held != Idle::kVaries;
    case Op::kAddF:
    case Op::kAddI:
    case Op::kXorI:
      return held == Idle::kZero;
    default:
      return false;
  }
}

}  // namespace fl::compiler
