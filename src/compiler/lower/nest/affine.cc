// Which blocks of integers and addresses are affine in the nest's positions, under which assumptions, and whether two
// accesses may touch each other. See Note [Forms are modular].
//
// Note [Forms are modular]: a form of an N-bit value is congruent to it modulo 2^N. Sums, differences, products by a
// uniform and truncations keep that. Only where the value itself counts - widening, comparing, an offset that addptr
// widens - must it not have wrapped: without_wrap() checks the form's range against the type's, once, before the nest.

#include <algorithm>
#include <limits>
#include <set>

#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI64 = Type::of(Scalar::kI64);
constexpr int64_t kLargestCoefficient = int64_t{1} << 31;
constexpr int64_t kLargestBase = int64_t{1} << 62;

bool fits(int64_t value, int64_t low, int64_t high) { return low <= value && value <= high; }

}  // namespace

Term Nest::term_operation(const char* instruction, const Term& a, const Term& b) {
  const std::string text = std::string(instruction) + " i64 " + a.text() + ", " + b.text();
  auto [known, added] = terms_.try_emplace(text);
  if (added) {
    known->second = module_.fresh();
    before_.line(known->second + " = " + text);
  }
  return {false, 0, known->second};
}

Term Nest::add(const Term& a, const Term& b) {
  int64_t sum = 0;
  if (a.known && b.known && !__builtin_add_overflow(a.value, b.value, &sum)) return {true, sum, ""};
  if (a.is(0)) return b;
  if (b.is(0)) return a;
  return term_operation("add", a, b);
}

Term Nest::subtract(const Term& a, const Term& b) {
  int64_t difference = 0;
  if (a.known && b.known && !__builtin_sub_overflow(a.value, b.value, &difference)) return {true, difference, ""};
  if (b.is(0)) return a;
  return term_operation("sub", a, b);
}

Term Nest::multiply(const Term& a, const Term& b) {
  int64_t product = 0;
  if (a.known && b.known && !__builtin_mul_overflow(a.value, b.value, &product)) return {true, product, ""};
  if (a.is(0) || b.is(0)) return {true, 0, ""};
  if (a.is(1)) return b;
  if (b.is(1)) return a;
  return term_operation("mul", a, b);
}

void Nest::guard(const std::string& predicate, const Term& a, const Term& b) {
  const std::string text = "icmp " + predicate + " i64 " + a.text() + ", " + b.text();
  if (!guard_texts_.try_emplace(text, true).second) return;
  const std::string name = module_.fresh();
  before_.line(name + " = " + text);
  guards_.push_back(name);
}

Form Nest::constant_form(int64_t value) const { return {Term{true, value, ""}, std::vector<Term>(loops_.size())}; }

bool Form::uniform() const {
  return computed.empty() &&
         std::all_of(coefficients.begin(), coefficients.end(), [](const Term& c) { return c.is(0); });
}

Form Nest::sum(const Form& a, const Form& b, bool plus) {
  auto joined = [&](const Term& x, const Term& y) { return plus ? add(x, y) : subtract(x, y); };
  Form form{joined(a.base, b.base), {}};
  for (size_t l = 0; l < loops_.size(); ++l) form.coefficients.push_back(joined(a.coefficients[l], b.coefficients[l]));
  form.computed = a.computed;
  for (const auto& [position, c] : b.computed) {
    form.computed[position] = joined(form.computed[position], c);
    if (form.computed[position].is(0)) form.computed.erase(position);
  }
  return form;
}

// Positions of a loop that are done.
Term Nest::extent_of(size_t loop) {
  const Term all{true, loops_[loop].extent, ""};
  if (!restricted_) return all;
  const std::vector<int64_t>& along = coordinates_[*restricted_].coefficients;
  const bool alone = along[loop] == 1 && std::count(along.begin(), along.end(), 0) + 1 == std::ssize(along);
  return alone ? Term{false, 0, restriction_} : all;
}

// Of a form that is bounded().
std::pair<Term, Term> Nest::range(const Form& form, const Term* inner_extent) {
  Term low = form.base;
  Term high = form.base;
  auto widen_range = [&](const Term& a, const Term& b) {
    for (bool lowest : {true, false}) {
      const std::string function = lowest ? "@llvm.smin.i64" : "@llvm.smax.i64";
      module_.declare("i64 " + function + "(i64, i64)");
      const std::string text = "call i64 " + function + "(i64 " + a.text() + ", i64 " + b.text() + ")";
      auto [known, added] = terms_.try_emplace(text);
      if (added) {
        known->second = module_.fresh();
        before_.line(known->second + " = " + text);
      }
      Term& bound = lowest ? low : high;
      bound = add(bound, Term{false, 0, known->second});
    }
  };
  // Along a restricted dimension that may be split into several loops, by the limit.
  std::vector<bool> done(loops_.size(), false);
  if (restricted_) {
    const Index& index = coordinates_[*restricted_];
    int64_t scale = 0;
    bool matches = true;
    for (size_t l = 0; l < loops_.size(); ++l) {
      if (index.coefficients[l] == 0) continue;
      const Term& c = form.coefficients[l];
      matches = matches && c.known && c.value % index.coefficients[l] == 0;
      if (!matches) break;
      if (scale == 0) scale = c.value / index.coefficients[l];
      matches = scale > 0 && c.value == scale * index.coefficients[l];
    }
    if (matches && scale > 0) {
      const Term last = subtract({false, 0, restriction_}, {true, 1, ""});
      high = add(high, multiply({true, scale, ""}, last));
      for (size_t l = 0; l < loops_.size(); ++l) done[l] = index.coefficients[l] != 0;
    }
  }
  for (size_t l = 0; l < loops_.size(); ++l) {
    const Term& c = form.coefficients[l];
    if (c.is(0) || done[l]) continue;
    Term last = subtract(extent_of(l), {true, 1, ""});
    if (inner_extent != nullptr && l == vector_loop_) last = *inner_extent;
    const Term span = multiply(c, last);
    if (span.known) {
      (span.value < 0 ? low : high) = add(span.value < 0 ? low : high, span);
      continue;
    }
    widen_range(span, {true, 0, ""});
  }
  for (const auto& [position, c] : form.computed) {
    const Term first = multiply(c, computed_[position].low);
    const Term last = multiply(c, computed_[position].high);
    if (c.known) {
      low = add(low, c.value > 0 ? first : last);
      high = add(high, c.value > 0 ? last : first);
    } else {
      widen_range(first, last);
    }
  }
  return {low, high};
}

std::optional<Form> Nest::without_wrap(std::optional<Form> form, int bits, bool is_signed) {
  if (!form) return form;
  const bool uniform = form->uniform();
  if (!bounded(*form)) return std::nullopt;
  const int64_t lowest = !is_signed ? 0 : bits == 64 ? -kLargestBase : -(int64_t{1} << (bits - 1));
  const int64_t highest = bits == 64  ? kLargestBase
                          : is_signed ? (int64_t{1} << (bits - 1)) - 1
                                      : (int64_t{1} << bits) - 1;
  if (uniform && bits < 64) {  // one value: reduce it to its bits, whatever they were
    if (form->base.known && fits(form->base.value, lowest, highest)) return form;
    const Term shift{true, 64 - bits, ""};
    form->base = term_operation(is_signed ? "ashr" : "lshr", term_operation("shl", form->base, shift), shift);
    return form;
  }
  for (const Term& c : form->coefficients) {
    if (c.known && fits(c.value, -kLargestCoefficient, kLargestCoefficient)) continue;
    if (c.known || mode_ == Mode::kExact) return std::nullopt;
    guard("sle", c, {true, kLargestCoefficient, ""});
    guard("sge", c, {true, -kLargestCoefficient, ""});
  }
  if (!form->base.known && mode_ == Mode::kExact) return std::nullopt;
  if (bits == 64) {
    if (form->base.known) {
      if (!fits(form->base.value, lowest, highest)) return std::nullopt;
      return form;
    }
    guard("sge", form->base, {true, lowest, ""});
    guard("sle", form->base, {true, highest, ""});
    return form;
  }
  const auto [low, high] = range(*form);
  if ((low.known && low.value < lowest) || (high.known && high.value > highest)) return std::nullopt;
  if (mode_ == Mode::kExact && !(low.known && high.known)) return std::nullopt;
  if (!low.known) guard("sge", low, {true, lowest, ""});
  if (!high.known) guard("sle", high, {true, highest, ""});
  return form;
}

std::optional<Form> Nest::affine(const Value* value, const Coordinates& at) {
  const std::string name = key(value, at, -1);
  if (auto known = forms_.find(name); known != forms_.end()) return known->second;
  std::optional<Form> form = affine_uncached(value, at);
  return forms_[name] = std::move(form);
}

std::optional<Form> Nest::affine_uncached(const Value* value, const Coordinates& at) {
  const Type& type = value->type;
  if (!type.pointer && (type.holds_float() || type.scalar == Scalar::kI1)) return std::nullopt;
  if (!type.tensor) {
    const std::string& scalar = shared_.scalars.at(value);
    Form form = constant_form(0);
    if (is_constant(scalar)) {
      form.base.value = std::stoll(scalar);
    } else if (type.pointer || type.scalar == Scalar::kI64) {
      form.base = {false, 0, scalar};
    } else {
      const std::string text = "sext " + llvm_type(type, 1) + " " + scalar + " to i64";
      auto [known, added] = terms_.try_emplace(text);
      if (added) {
        known->second = module_.fresh();
        before_.line(known->second + " = " + text);
      }
      form.base = {false, 0, known->second};
    }
    return form;
  }
  if (auto induction = shared_.schedule.inductions.find(value); induction != shared_.schedule.inductions.end()) {
    std::optional<Form> form = affine(induction->second.start, at);
    if (form) form->base = add(form->base, {false, 0, shared_.induction_total.at(value)});
    return form;
  }
  const bool uniform = std::all_of(at.begin(), at.end(), [](const Index& i) {
    return is_linear(i) && std::all_of(i.coefficients.begin(), i.coefficients.end(), [](int64_t c) { return c == 0; });
  });
  const bool readable = !shared_.slots.contains(value) && value->producer != nullptr;
  if (readable) {
    const ttir::Operation& op = *value->producer;
    auto inner = [&](size_t operand) { return affine(op.operands[operand], operand_coordinates(op, operand, at)); };
    auto combined = [&](const std::optional<Form>& a, const std::optional<Form>& b, bool plus) -> std::optional<Form> {
      if (!a || !b) return std::nullopt;
      return sum(*a, *b, plus);
    };
    auto scaled = [&](std::optional<Form> form, const Term& by) {
      if (!form) return form;
      form->base = multiply(form->base, by);
      for (Term& c : form->coefficients) c = multiply(c, by);
      for (auto& [position, c] : form->computed) c = multiply(c, by);
      if (by.is(0)) form->computed.clear();
      return form;
    };
    auto is_uniform = [](const std::optional<Form>& form) { return form && form->uniform(); };
    switch (op.op) {
      case Op::kConstant:
        return constant_form(ttir::sign_extended(op.constant, ttir::bits_of(type.scalar)));
      case Op::kMakeRange: {
        if (!is_linear(at[0])) return std::nullopt;
        Form form = constant_form(op.integer("start") + at[0].constant);
        for (size_t l = 0; l < loops_.size(); ++l) form.coefficients[l].value = at[0].coefficients[l];
        return form;
      }
      case Op::kSplat:
      case Op::kExpandDims:
      case Op::kBroadcast:
      case Op::kReshape:
      case Op::kTrans:
      case Op::kTruncI:
        return inner(0);
      case Op::kPtrToInt:
      case Op::kIntToPtr: {
        std::optional<Form> form = inner(0);
        const auto distance = static_cast<int64_t>(shared_.target.distance);
        if (form && distance != 0)
          form->base = add(form->base, {true, op.op == Op::kIntToPtr ? distance : -distance, {}});
        return form;
      }
      case Op::kBitcast:
      case Op::kArithBitcast:
        if (op.operands[0]->type.pointer || op.operands[0]->type.scalar == type.scalar) return inner(0);
        break;
      case Op::kAddI:
        return combined(inner(0), inner(1), true);
      case Op::kSubI:
        return combined(inner(0), inner(1), false);
      case Op::kMulI: {
        const std::optional<Form> a = inner(0);
        if (!a) break;
        const std::optional<Form> b = inner(1);
        if (is_uniform(b)) return scaled(a, b->base);
        if (is_uniform(a) && b) return scaled(b, a->base);
        break;
      }
      case Op::kDivSI:
      case Op::kDivUI:
      case Op::kRemUI:
      case Op::kRemSI: {
        if (mode_ == Mode::kExact) break;
        if (const std::optional<Form> form = quotient(op, at)) return form;
        if (!small_remainders_ || op.op != Op::kRemSI) break;
        const int bits = ttir::bits_of(type.scalar);
        const std::optional<Form> a = without_wrap(inner(0), bits, true);
        const std::optional<Form> b = without_wrap(inner(1), bits, true);
        if (!a || !is_uniform(b) || !bounded(*a)) break;
        const auto [low, high] = range(*a);
        guard("sge", low, {true, 0, ""});
        guard("slt", high, b->base);
        return a;
      }
      case Op::kShlI: {
        const std::optional<Form> count = inner(1);
        if (is_uniform(count) && count->base.known && fits(count->base.value, 0, 31))
          return scaled(inner(0), {true, int64_t{1} << count->base.value, ""});
        break;
      }
      case Op::kExtSI:
        if (auto form = without_wrap(inner(0), ttir::bits_of(op.operands[0]->type.scalar), true)) return form;
        break;
      case Op::kExtUI:
        if (auto form = without_wrap(inner(0), ttir::bits_of(op.operands[0]->type.scalar), false)) return form;
        break;
      case Op::kAddPtr: {
        const std::optional<Form> pointer = inner(0);
        if (!pointer) return std::nullopt;
        std::optional<Form> offset = inner(1);
        const int bits = ttir::bits_of(op.operands[1]->type.scalar);
        if (bits < 64) offset = without_wrap(offset, bits, true);
        return combined(pointer, scaled(offset, {true, ttir::bytes_of(type.scalar), ""}), true);
      }
      default:
        break;
    }
  }
  if (!uniform) return mode_ == Mode::kFast ? computed_form({value, at}) : std::nullopt;
  // Anything else that is the same during the whole nest: its value is computed before it.
  const Piece piece = this->value(value, at, 0);
  Form form = constant_form(0);
  if (is_constant(piece.text)) {
    form.base.value = std::stoll(piece.text);
  } else if (type.pointer || type.scalar == Scalar::kI64) {
    form.base = {false, 0, piece.text};
  } else {
    form.base = {false, 0, ops_.convert("sext", type.element(), kI64, piece.text, 1, before_)};
  }
  return form;
}

void Nest::find_loads(const Value* value, const Coordinates& at, std::vector<const Value*>* affine_less,
                      std::vector<Access>* loads) {
  if (!value->type.tensor || shared_.slots.contains(value)) return;
  if (auto induction = shared_.schedule.inductions.find(value); induction != shared_.schedule.inductions.end()) {
    return find_loads(induction->second.start, at, affine_less, loads);
  }
  if (value->producer == nullptr || !seen_.insert(key(value, at, -1)).second) return;
  const ttir::Operation& op = *value->producer;
  if (op.op == Op::kLoad) {
    const std::optional<Form> form = affine(op.operands[0], at);
    const Access access{value, form.value_or(Form{}), ttir::bytes_of(value->type.scalar)};
    if (form && bounded(*form)) {
      loads->push_back(access);
    } else if (std::find(affine_less->begin(), affine_less->end(), value) == affine_less->end()) {
      affine_less->push_back(value);
      if (form) unbounded_.push_back(access);
    }
  }
  for (size_t i = 0; i < op.operands.size(); ++i)
    find_loads(op.operands[i], operand_coordinates(op, i, at), affine_less, loads);
}

std::optional<Nest::Strided> Nest::strided(const Value* addresses) {
  const std::optional<Form> form = affine(addresses, coordinates_);
  if (!form || !form->computed.empty()) return std::nullopt;
  return Strided{form->base.text(), form->coefficients};
}

std::optional<size_t> Nest::unit_dimension(const Value* block) {
  std::vector<const Value*> affine_less;
  std::vector<Access> loads;
  find_loads(block, coordinates_, &affine_less, &loads);
  for (const Access& access : loads) {
    if (const std::optional<size_t> dimension = unit_dimension(access.address, access.size)) return dimension;
  }
  return std::nullopt;
}

// Apart: no byte in common, or the same addresses at the same positions, each of its own.
void Nest::guard_apart(const Access& a, const Access& b) {
  auto instruction = [this](const std::string& text) {
    auto [known, added] = terms_.try_emplace(text);
    if (added) {
      known->second = module_.fresh();
      before_.line(known->second + " = " + text);
    }
    return known->second;
  };
  auto compare = [&](const char* predicate, const Term& x, const Term& y) {
    return instruction(std::string("icmp ") + predicate + " i64 " + x.text() + ", " + y.text());
  };
  auto both = [&](const std::string& x, const std::string& y) {
    return x == "true" ? y : instruction("and i1 " + x + ", " + y);
  };

  const auto [low_a, high_a] = range(a.address);
  const auto [low_b, high_b] = range(b.address);
  const std::string below = compare("sle", add(high_a, {true, a.size, ""}), low_b);
  const std::string above = compare("sle", add(high_b, {true, b.size, ""}), low_a);
  std::string apart = instruction("or i1 " + below + ", " + above);
  std::string same = a.size == b.size ? "true" : "false";
  if (same == "true") {
    same = compare("eq", a.address.base, b.address.base);
    // Each position has its own address when every loop steps over all that the loops inside it cover.
    Term least{true, a.size, ""};
    if (!a.address.computed.empty() || !b.address.computed.empty()) same = "false";
    for (size_t l = loops_.size(); l-- > 0 && same != "false";) {
      if (loops_[l].runs) continue;
      const Term& x = a.address.coefficients[l];
      const Term& y = b.address.coefficients[l];
      if (x.known && y.known && x.value != y.value) same = "false";
      if (same == "false") break;
      if (!(x.known && y.known)) same = both(same, compare("eq", x, y));
      if (x.known && least.known) {
        if (x.value < least.value) same = "false";
      } else {
        same = both(same, compare("sge", x, least));
      }
      if (same == "false") break;
      least = multiply(x, extent_of(l));
    }
  }
  if (same != "false") apart = instruction("or i1 " + apart + ", " + same);
  if (guard_texts_.try_emplace(apart, true).second) guards_.push_back(apart);
}

std::vector<const Value*> Nest::check_overlap(const std::vector<Sink>& sinks) {
  std::vector<const Value*> affine_less;
  std::vector<Access> loads;
  std::vector<Access> stores;
  auto find_all = [&] {
    affine_less.clear();
    loads.clear();
    seen_.clear();
    unbounded_.clear();
    for (const Sink& sink : sinks) {
      if (sink.store == nullptr) continue;
      for (const Value* operand : sink.store->operands) find_loads(operand, coordinates_, &affine_less, &loads);
    }
  };
  find_all();
  if (bound_runs(sinks)) find_all();
  for (const Sink& sink : sinks) {
    if (sink.store == nullptr) continue;
    if (const std::optional<Form> form = affine(sink.store->operands[0], coordinates_); form && bounded(*form)) {
      stores.push_back({sink.store->operands[1], *form, ttir::bytes_of(sink.store->operands[1]->type.scalar)});
    } else {
      unknown_store_ = true;
    }
  }
  if (unknown_store_) {
    for (const Access& load : loads) {
      if (std::find(affine_less.begin(), affine_less.end(), load.value) == affine_less.end())
        affine_less.push_back(load.value);
    }
    return affine_less;
  }
  if (mode_ == Mode::kExact) return affine_less;
  for (const std::vector<Access>* all : {&loads, &stores}) {
    for (const Access& access : *all) {
      for (const auto& [position, c] : access.address.computed) {
        if (c.known) continue;
        guard("sle", c, {true, kLargestCoefficient, ""});
        guard("sge", c, {true, -kLargestCoefficient, ""});
      }
    }
  }
  for (size_t s = 0; s < stores.size(); ++s) {
    for (const Access& load : loads) guard_apart(stores[s], load), note_in_place(stores[s], load);
    for (size_t t = s + 1; t < stores.size(); ++t) guard_apart(stores[s], stores[t]);
  }
  return affine_less;
}

}  // namespace fl::compiler
