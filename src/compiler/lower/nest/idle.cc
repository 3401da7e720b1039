// What a block holds beyond the positions that a mask lets through: a reduction or scan whose result no longer changes
// stops there, and what would be written over itself is left. A block of 4096 for rows of 2100 then costs no more than
// 2100.

#include <algorithm>
#include <cmath>

#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

// Blocks that are looked at for one answer. It goes through what is in scratch, and so from each of the thousand
// operations of an unrolled sort back to the first one.
constexpr size_t kFarEnough = 200;

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
  atoms(mask, at, &parts, true);
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
  if (name == atom) return Idle::kZero;  // itself, which is false there
  if (auto found = known->find(name); found != known->end()) return found->second;
  if (known->size() >= kFarEnough) return Idle::kVaries;
  const Idle result = idle_uncached(value, at, atom, known);
  return (*known)[name] = result;
}

Nest::Idle Nest::idle_uncached(const Value* value, const Coordinates& at, const std::string& atom,
                               std::map<std::string, Idle>* known) {
  const bool still = std::all_of(at.begin(), at.end(), [this](const Index& index) {
    return is_linear(index) && index.coefficients[vector_loop_] == 0;
  });
  // A block in scratch holds what its operation says, too.
  const bool known_why =
      value->producer != nullptr && !shared_.schedule.inductions.contains(value) &&
      (!shared_.slots.contains(value) || ttir::maps_elements(*value->producer) || value->producer->op == Op::kLoad);
  if (!known_why) return still ? Idle::kSame : Idle::kVaries;
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
    case Op::kExtSI:
    case Op::kExtUI:
    case Op::kTruncI:
    case Op::kSIToFP:
    case Op::kUIToFP:
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
    case Op::kAndI:
    case Op::kMulI:
      if (operand(0) == Idle::kZero || operand(1) == Idle::kZero) return Idle::kZero;
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
bool Nest::is_idle_beyond(const ttir::Operation& combination, const std::string& atom) {
  const Op step = combination.regions[0]->entry().operations[0]->op;  // alone there: see neutral()
  std::map<std::string, Idle> known;
  const Idle held = idle(combination.operands[0], coordinates_, atom, &known);
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

// The atoms that choose what a block holds.
void Nest::collect_choices(const Value* value, const Coordinates& at, std::vector<Atom>* out,
                           std::set<std::string>* seen) {
  if (!value->type.tensor || value->producer == nullptr || shared_.schedule.inductions.contains(value)) return;
  if (seen->size() >= kFarEnough || !seen->insert(key(value, at, -1)).second) return;
  const ttir::Operation& op = *value->producer;
  if (op.op == Op::kLoad) {
    if (op.operands.size() > 1 && op.operands[1]->type.tensor) atoms(op.operands[1], at, out, true);
    return;
  }
  if (!ttir::maps_elements(op)) return;
  if (value->type.scalar == Scalar::kI1 && !value->type.pointer) return atoms(value, at, out, true);
  if (op.op == Op::kSelect && op.operands[0]->type.tensor) atoms(op.operands[0], at, out, true);
  for (size_t i = 0; i < op.operands.size(); ++i)
    if (op.operands[i]->type.tensor) collect_choices(op.operands[i], operand_coordinates(op, i, at), out, seen);
}

// Counts of leading positions of the vector loop, from each of which on combining changes nothing more. Idle positions
// are combined once, since they may change the result: a sum of -0 and 0 is 0.
std::vector<std::string> Nest::idle_from(const ttir::Operation& combination, const Live& live, Stream& out) {
  std::vector<std::string> counts;
  if (!neutral(combination)) return counts;
  const bool outer = analysing_;
  analysing_ = true;
  std::vector<Atom> choices;
  std::set<std::string> seen;
  collect_choices(combination.operands[0], coordinates_, &choices, &seen);
  std::set<std::string> known;
  for (const Atom& atom : choices) {
    const std::string name = key(atom.value, atom.at, -1);
    if (!known.insert(name).second || !is_idle_beyond(combination, name)) continue;
    std::optional<Limit> own;
    if (auto found = live.limits.find(name); found != live.limits.end()) {
      own = found->second;
    } else if (is_long()) {
      own = limit(atom);
    }
    if (!own || !own->upper) continue;
    const Type index = Type::of(Scalar::kI64);
    const std::string count = ops_.intrinsic("smax", index, {own->count, "0"}, 1, out);
    counts.push_back(ops_.binary("add", index, count, "1", 1, out));
  }
  analysing_ = outer;
  return counts;
}

// Whether what goes to the arena is there already where the atom does not hold: a sum of integers that zero is added
// to. (A zero of floats would change -0.)
bool Nest::stays_beyond(const Sink& sink, const std::string& atom) {
  if (sink.touches_memory() || sink.as || sink.place != nullptr || sink.value->producer == nullptr) return false;
  const ttir::Operation& op = *sink.value->producer;
  if (op.op != Op::kAddI && op.op != Op::kOrI && op.op != Op::kXorI) return false;
  for (size_t own : {size_t{0}, size_t{1}}) {
    auto slot = shared_.slots.find(op.operands[own]);
    if (slot == shared_.slots.end() || slot->second != sink.slot) continue;
    std::map<std::string, Idle> known;
    if (idle(op.operands[1 - own], coordinates_, atom, &known) == Idle::kZero) return true;
  }
  return false;
}

void Nest::stop_where_all_stays(const std::vector<Sink>& sinks, Live* live) {
  const bool outer = analysing_;
  analysing_ = true;
  for (const auto& limited : live->limits) {
    const bool all =
        std::all_of(sinks.begin(), sinks.end(), [&](const Sink& sink) { return stays_beyond(sink, limited.first); });
    if (all && limited.second.upper) live->stop.push_back(limited.second.count);
  }
  analysing_ = outer;
}

}  // namespace fl::compiler
