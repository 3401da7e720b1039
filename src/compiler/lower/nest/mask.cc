// Masks. A mask is a conjunction of atoms; an atom that compares two affine blocks holds for a leading part of the
// vector loop, whose length is computed in the loop around it. The main loop runs where all such atoms hold and carries
// no masks; the rest computes them lane by lane.

#include <algorithm>
#include <bit>

#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI64 = Type::of(Scalar::kI64);

bool is_false(const Value* block) {
  const Value* source = uniform_source(block);
  return source != nullptr && source->producer != nullptr && source->producer->op == Op::kConstant &&
         source->producer->constant == 0;
}

}  // namespace

// `implied`: also what a mask in scratch was made of, which holds wherever the mask does.
void Nest::atoms(const Value* mask, const Coordinates& at, std::vector<Atom>* out, bool implied) {
  if (mask->type.tensor && mask->producer != nullptr && (implied || !shared_.slots.contains(mask)) &&
      !shared_.schedule.inductions.contains(mask)) {
    const ttir::Operation& op = *mask->producer;
    switch (op.op) {
      case Op::kSelect:
        if (!op.operands[0]->type.tensor || !is_false(op.operands[2])) break;
        [[fallthrough]];
      case Op::kAndI:
        atoms(op.operands[0], at, out, implied);
        return atoms(op.operands[1], at, out, implied);
      case Op::kSplat:
        return out->push_back({op.operands[0], {}});
      case Op::kBroadcast:
      case Op::kExpandDims:
      case Op::kTrans:
      case Op::kReshape:
        return atoms(op.operands[0], operand_coordinates(op, 0, at), out, implied);
      default:
        break;
    }
  }
  out->push_back({mask, at});
}

// A form that is negative exactly where the atom holds.
std::optional<Form> Nest::below_zero(const Atom& atom) {
  const ttir::Operation* op = atom.value->producer;
  if (op == nullptr || op->op != Op::kCmpI || shared_.slots.contains(atom.value)) return std::nullopt;
  const std::string predicate = op->word("predicate");
  if (predicate == "eq" || predicate == "ne") return std::nullopt;
  const bool is_signed = predicate[0] == 's';
  const bool less = predicate[1] == 'l';
  const bool equal = predicate[2] == 'e';
  const int bits = ttir::bits_of(op->operands[0]->type.scalar);
  if (!is_signed && bits == 64) return std::nullopt;
  const std::optional<Form> a = without_wrap(affine(op->operands[less ? 0 : 1], atom.at), bits, is_signed);
  if (!a) return a;
  const std::optional<Form> b = without_wrap(affine(op->operands[less ? 1 : 0], atom.at), bits, is_signed);
  if (!b) return b;
  Form form = sum(*a, *b, false);
  if (equal) form.base = add(form.base, {true, -1, ""});
  return form;
}

// The form at position 0 of the vector loop.
Piece Nest::row_value(const Form& form) {
  Piece sum{form.base.text(), 1, 0};
  for (size_t l = 0; l < loops_.size(); ++l) {
    const Term& c = form.coefficients[l];
    if (l == vector_loop_ || c.is(0)) continue;
    sum.level = static_cast<int>(l) + 1;
    Stream& out = stream(sum.level);
    std::string part = loops_[l].position;
    if (!c.is(1)) part = ops_.binary("mul", kI64, part, c.text(), 1, out);
    sum.text = ops_.binary("add", kI64, sum.text, part, 1, out);
  }
  return sum;
}

std::optional<Nest::Limit> Nest::limit(const Atom& atom) {
  const std::optional<Form> form = below_zero(atom);
  if (!form) return std::nullopt;
  return limit(*form);
}

std::optional<Nest::Limit> Nest::limit(const Form& below) {
  const Form* form = &below;
  if (!form->computed.empty()) return std::nullopt;
  for (size_t l = vector_loop_ + 1; l < loops_.size(); ++l)
    if (!form->coefficients[l].is(0)) return std::nullopt;
  const Term& c = form->coefficients[vector_loop_];
  if (!c.known) return std::nullopt;
  if (turned_ && !form->coefficients[copy_loop()].is(0)) {  // as far as it holds in all strips of an iteration
    const Term& jump = form->coefficients[copy_loop()];
    if (!jump.known) return std::nullopt;
    Form worst = *form;
    worst.base = add(worst.base, {true, std::max<int64_t>(jump.value, 0) * (lanes_ - 1), ""});
    std::optional<Limit> least = limit_of_row(worst);
    if (least) least->upper = false, least->varies = true;
    return least;
  }
  return limit_of_row(*form);
}

std::optional<Nest::Limit> Nest::limit_of_row(const Form& below) {
  const Form* form = &below;
  const Term& c = form->coefficients[vector_loop_];
  const Piece row = row_value(*form);
  Stream& out = stream(row.level);
  if (c.value <= 0) {  // holds everywhere where it holds at 0, or its sign does not change
    const std::string holds = ops_.compare("icmp", "slt", kI64, row.text, "0", 1, out);
    const std::string count = ops_.select(kI64, holds, std::to_string(loops_[vector_loop_].extent), "0", 1, out);
    return Limit{count, c.value == 0, c.value != 0};
  }
  if (!std::has_single_bit(static_cast<uint64_t>(c.value))) return std::nullopt;
  std::string count = ops_.binary("sub", kI64, "0", row.text, 1, out);
  if (c.value > 1) {  // rounded up
    count = ops_.binary("add", kI64, count, std::to_string(c.value - 1), 1, out);
    count = ops_.binary("ashr", kI64, count, std::to_string(std::countr_zero(static_cast<uint64_t>(c.value))), 1, out);
  }
  return Limit{count, true, true};
}

void Nest::collect_masks(const Value* value, const Coordinates& at, std::vector<MaskAt>* out,
                         std::set<std::string>* seen) {
  if (!value->type.tensor || shared_.slots.contains(value)) return;
  if (auto induction = shared_.schedule.inductions.find(value); induction != shared_.schedule.inductions.end()) {
    return collect_masks(induction->second.start, at, out, seen);
  }
  if (value->producer == nullptr || !seen->insert(key(value, at, -1)).second) return;
  const ttir::Operation& op = *value->producer;
  if (op.op == Op::kLoad && op.operands.size() > 1 && op.operands[1]->type.tensor) out->push_back({op.operands[1], at});
  for (size_t i = 0; i < op.operands.size(); ++i)
    collect_masks(op.operands[i], operand_coordinates(op, i, at), out, seen);
}

void Nest::note_mask(const Atom& atom, bool limits) {
  if (mode_ == Mode::kExact || atom.value->producer == nullptr || atom.value->producer->op == Op::kConstant) return;
  shared_.report.note("the mask of " + place_of(*atom.value->producer) +
                      (limits ? " bounds the strips: full ones carry no mask" : " is computed lane by lane"));
}

Nest::Live Nest::live_part(const std::vector<MaskAt>& masks, const std::vector<MaskAt>& sink_masks) {
  const bool outer = analysing_;
  analysing_ = true;  // positions through reshapes are not computed for this
  Live live;
  std::map<std::string, Limit>& limits = live.limits;
  auto limits_of = [&](const MaskAt& mask) {
    std::vector<std::string> found;
    std::vector<Atom> parts;
    atoms(mask.first, mask.second, &parts, is_long());
    if (shared_.slots.contains(mask.first)) note_mask({mask.first, mask.second}, false);
    for (const Atom& atom : parts) {
      const std::string name = key(atom.value, atom.at, -1);
      if (!limits.contains(name)) {
        const std::optional<Limit> limit_of_atom = limit(atom);
        if (!shared_.slots.contains(mask.first)) note_mask(atom, limit_of_atom.has_value());
        if (!limit_of_atom) continue;
        limits[name] = *limit_of_atom;
        live.assumed[name] = limit_of_atom->varies;
        live.full.push_back(limit_of_atom->count);
      }
      found.push_back(name);
    }
    return found;
  };
  for (const MaskAt& mask : masks) limits_of(mask);
  // What stops the nest must stop each of its sinks.
  std::map<std::string, size_t> stops;
  for (const MaskAt& mask : sink_masks) {
    if (mask.first == nullptr) continue;
    std::vector<std::string> names = limits_of(mask);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names)
      if (limits[name].upper) ++stops[name];
  }
  for (const auto& [name, count] : stops)
    if (count == sink_masks.size()) live.stop.push_back(limits[name].count);
  if (const std::optional<Form> beyond = beyond_restriction()) {
    const std::optional<Limit> own = limit(*beyond);
    live.full.push_back(own->count);
    live.stop.push_back(own->count);
  }
  analysing_ = outer;
  return live;
}

// In the rest of a restricted vector loop: which lanes are below the limit.
Piece Nest::restriction_mask(int copy) {
  const Piece position = widen(index_piece(coordinates_[*restricted_], copy), Type::of(Scalar::kI32));
  const std::string name = "restriction " + position.text;
  auto [known, added] = pieces_.try_emplace(name);
  if (added) {
    Stream& out = stream(position.level);
    const Type kI32 = Type::of(Scalar::kI32);
    const Piece limit{ops_.convert("trunc", kI64, kI32, restriction_, 1, before_), 1, 0};
    const std::string bound = widen(limit, kI32).text;
    pieces_[name] = {ops_.compare("icmp", "slt", kI32, position.text, bound, lanes_, out), lanes_, position.level};
  }
  return pieces_[name];
}

std::vector<std::string> Nest::live_counts(const std::vector<const Value*>& masks, bool* exactly) {
  *exactly = masks.size() == 1;
  const size_t rank = coordinates_.size();
  std::vector<std::vector<std::string>> most(rank);
  std::vector<bool> open(rank, false);  // some mask lets everything through
  for (const Value* mask : masks) {
    std::vector<Atom> parts;
    atoms(mask, coordinates_, &parts);
    std::vector<std::string> least(rank);
    for (const Atom& atom : parts) {
      const std::optional<Form> form = below_zero(atom);
      bool counted = false;
      for (size_t d = 0; form && form->computed.empty() && d < rank; ++d) {
        bool own = true;
        for (size_t l = 0; l < loops_.size(); ++l)
          own = own && form->coefficients[l].is(coordinates_[d].coefficients[l]);
        const bool none =
            std::all_of(form->coefficients.begin(), form->coefficients.end(), [](const Term& c) { return c.is(0); });
        if (!own || none) continue;
        counted = true;
        const std::string count = subtract({true, 0, ""}, form->base).text();
        least[d] = least[d].empty() ? count : ops_.intrinsic("smin", kI64, {least[d], count}, 1, before_);
      }
      *exactly = *exactly && counted;
    }
    for (size_t d = 0; d < rank; ++d) {
      if (least[d].empty()) open[d] = true;
      most[d].push_back(least[d]);
    }
  }
  std::vector<std::string> counts(rank);
  for (size_t d = 0; d < rank; ++d) {
    if (open[d]) continue;
    std::string all = most[d][0];
    for (size_t i = 1; i < most[d].size(); ++i) all = ops_.intrinsic("smax", kI64, {all, most[d][i]}, 1, before_);
    counts[d] = all;
  }
  return counts;
}

bool Nest::is_assumed(const Value* mask, const Coordinates& at) {
  if (live_ == nullptr || !mask->type.tensor) return false;
  const bool outer = analysing_;
  analysing_ = true;
  std::vector<Atom> parts;
  atoms(mask, at, &parts);
  analysing_ = outer;
  bool varies = false;
  for (const Atom& atom : parts) {
    auto known = live_->assumed.find(key(atom.value, atom.at, -1));
    if (known == live_->assumed.end()) return false;
    varies = varies || known->second;
  }
  return varies;  // one that does not vary belongs into the loop around, where it is not known to hold
}

}  // namespace fl::compiler
