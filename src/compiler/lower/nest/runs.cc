// Positions that are computed, and vector loops that are cut into runs.
//
// Note [Computed positions]: an index that is no sum of loop positions may still be the same in all lanes of a strip:
// the row that tl.load(index + row) names, the quotient of a flat position by a row's length. Its value at one lane is
// then a scalar, computed outside of the vector loop, and forms count it as a position of its own. What makes this
// worth while is that addresses built on it are contiguous. Where it lies is mostly not known before the nest. Of a few
// rows, the least and the greatest are found first; else such loads cannot be shown to be apart from stores, and are
// done first, into scratch.
//
// Runs: where a flat position is divided by a constant, the vector loop is cut where the quotient changes. Within a
// run the quotient is a computed position, and the remainder is one that grows with the lanes. The last strip of a run
// is masked.

#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI1 = Type::of(Scalar::kI1);
const Type kI32 = Type::of(Scalar::kI32);
const Type kI64 = Type::of(Scalar::kI64);
constexpr int64_t kShortestRun = 4;  // below, gathers cost no more
constexpr int64_t kFarthestRow = int64_t{1} << 31;
constexpr int64_t kLongRun = 128;  // positions: looking at each run first costs less than a copy
constexpr int64_t kFewRows = 256;  // that are cheaply looked through

bool is_division(Op op) { return op == Op::kDivSI || op == Op::kDivUI || op == Op::kRemSI || op == Op::kRemUI; }
bool is_remainder(Op op) { return op == Op::kRemSI || op == Op::kRemUI; }
bool is_signed(Op op) { return op == Op::kDivSI || op == Op::kRemSI; }

}  // namespace

// Whether lanes that `mask` switches off are ones that no sink writes, and are never followed by one that is on.
bool Nest::stops_nest(const Value* mask, const Coordinates& at) {
  std::vector<Atom> parts;
  atoms(mask, at, &parts);
  return std::all_of(parts.begin(), parts.end(),
                     [&](const Atom& atom) { return stops_.contains(key(atom.value, atom.at, -1)); });
}

// Whether the value is the same in all lanes of a run, or of a strip where there are none. `masks` are those that must
// hold for it.
bool Nest::steady(const Value* value, const Coordinates& at, std::vector<MaskAt>* masks) {
  if (!value->type.tensor) return true;
  const bool along = std::any_of(at.begin(), at.end(), [&](const Index& index) {
    return !is_linear(index) || index.coefficients[vector_loop_] != 0;
  });
  if (!along) return true;
  if (!run_) return false;
  if (auto induction = shared_.schedule.inductions.find(value); induction != shared_.schedule.inductions.end())
    return steady(induction->second.start, at, masks);
  if (value->producer == nullptr) return false;
  const ttir::Operation& op = *value->producer;
  if (op.op == Op::kConstant || op.op == Op::kSplat) return true;
  if (op.op != Op::kLoad && !ttir::maps_elements(op)) return false;
  const std::string name = key(value, at, -1);
  auto [known, added] = steady_.try_emplace(name, false, std::vector<MaskAt>{});
  if (added) {
    std::vector<MaskAt> own;
    bool result = divides_along(op, at) && !is_remainder(op.op);
    if (!result) {
      result = true;
      for (size_t i = 0; i < op.operands.size() && result; ++i) {
        const Coordinates inner = operand_coordinates(op, i, at);
        if (op.op == Op::kLoad && i == 1 && stops_nest(op.operands[1], inner)) {
          own.emplace_back(op.operands[1], inner);
        } else {
          result = steady(op.operands[i], inner, &own);
        }
      }
    }
    steady_[name] = {result, own};
    known = steady_.find(name);
  }
  masks->insert(masks->end(), known->second.second.begin(), known->second.second.end());
  return known->second.first;
}

// Whether a division cuts at run ends only.
bool Nest::divides_along(const ttir::Operation& op, const Coordinates& at) const {
  if (!run_ || !is_division(op.op) || op.operands[0] != run_->dividend) return false;
  const Value* divisor = uniform_source(op.operands[1]);
  if (divisor == nullptr || divisor->producer == nullptr || divisor->producer->op != Op::kConstant) return false;
  const auto number = static_cast<int64_t>(divisor->producer->constant);
  return number > 0 && number % run_->divisor == 0 && at == run_->at;
}

// A quotient or remainder by a positive constant. Those that the general rule of computed positions covers, but of
// which less would be known then, are left to it by returning nothing.
std::optional<Form> Nest::quotient(const ttir::Operation& op, const Coordinates& at) {
  const std::optional<Form> divisor = affine(op.operands[1], at);
  if (!divisor || !divisor->uniform() || !divisor->base.known || divisor->base.value <= 0) return std::nullopt;
  const int64_t number = divisor->base.value;
  std::optional<Form> dividend = affine(op.operands[0], at);
  if (!dividend || dividend->uniform()) return std::nullopt;
  const bool along = divides_along(op, at);
  if (!along && !(lane_step(*dividend).is(0) && natural(*dividend))) return std::nullopt;
  dividend = without_wrap(dividend, ttir::bits_of(op.result()->type.scalar), is_signed(op.op));
  if (!dividend) return std::nullopt;
  ComputedPosition position{op.result(), at};
  position.natural = true;
  position.bounded = true;
  if (is_remainder(op.op)) {
    position.steps = along;
    position.low = {true, 0, ""};
    position.high = {true, number - 1, ""};
  } else {
    const auto [low, high] = range(*dividend);
    position.low = term_operation("sdiv", low, {true, number, ""});
    position.high = term_operation("sdiv", high, {true, number, ""});
  }
  return computed_form(std::move(position));
}

std::optional<Form> Nest::computed_form(ComputedPosition position) {
  const Type& type = position.value->type;
  if (!type.pointer && (type.holds_float() || type.scalar == Scalar::kI1)) return std::nullopt;
  if (!position.steps && !steady(position.value, position.at, &position.masks)) return std::nullopt;
  if (auto known = shared_.extremes.find(position.value); known != shared_.extremes.end()) {
    set_bounds(&position, {false, 0, known->second.low}, {false, 0, known->second.high});
  }
  Form form = constant_form(0);
  form.computed[computed_.size()] = {true, 1, ""};
  computed_.push_back(std::move(position));
  return form;
}

bool Nest::bounded(const Form& form) const {
  return std::all_of(form.computed.begin(), form.computed.end(),
                     [this](const auto& part) { return computed_[part.first].bounded; });
}

// Known never to be negative.
bool Nest::natural(const Form& form) const {
  auto positive = [](const Term& term) { return term.known && term.value >= 0; };
  return positive(form.base) && std::all_of(form.coefficients.begin(), form.coefficients.end(), positive) &&
         std::all_of(form.computed.begin(), form.computed.end(),
                     [&](const auto& part) { return computed_[part.first].natural && positive(part.second); });
}

// What a form grows by from lane to lane.
Term Nest::lane_step(const Form& form) {
  Term step = form.coefficients[vector_loop_];
  for (const auto& [position, c] : form.computed)
    if (computed_[position].steps) step = add(step, c);
  return step;
}

// A quotient by the length of a run, or what is left of one: it grows by one from run to run.
bool Nest::turns_each_run(const ComputedPosition& position) const {
  const ttir::Operation* op = position.value->producer;
  if (position.steps || op == nullptr) return false;
  if (is_remainder(op->op)) op = op->operands[0]->producer;
  if (op == nullptr || !is_division(op->op) || is_remainder(op->op) || !divides_along(*op, position.at)) return false;
  return static_cast<int64_t>(uniform_source(op->operands[1])->producer->constant) == run_->divisor;
}

// The least and the greatest of each computed position that loads rest on and nothing is known of, by a loop over the
// runs, behind the guards so far. Whether some were found.
bool Nest::bound_runs(const std::vector<Sink>& sinks) {
  if (!run_ || vector_loop_ != 1 || run_->divisor < kLongRun) return false;
  std::vector<size_t> open;
  for (const Access& access : unbounded_) {
    for (const auto& [number, c] : access.address.computed) {
      if (computed_[number].bounded) continue;
      if (computed_[number].steps) return false;
      if (std::find(open.begin(), open.end(), number) == open.end()) open.push_back(number);
    }
  }
  if (open.empty()) return false;
  // Where the nest stops: beyond, indices must not be followed.
  std::vector<std::string> ends;
  for (const Sink& sink : sinks) {
    if (sink.store == nullptr || sink.store->operands.size() < 3) continue;
    std::vector<Atom> parts;
    atoms(sink.store->operands[2], coordinates_, &parts);
    for (const Atom& atom : parts) {
      if (!stops_.contains(key(atom.value, atom.at, -1))) continue;
      if (const std::optional<Limit> end = limit(atom); end && end->upper) ends.push_back(end->count);
    }
  }
  std::vector<Carried> extremes;
  for (size_t i = 0; i < open.size(); ++i) {
    extremes.push_back({"i64", std::to_string(std::numeric_limits<int64_t>::max())});
    extremes.push_back({"i64", std::to_string(std::numeric_limits<int64_t>::min())});
  }
  look_through_runs(clamped(ends, loops_[vector_loop_].extent, before_), &extremes, [&](Stream& head) {
    for (size_t i = 0; i < open.size(); ++i) {
      const Piece row = computed_row(open[i]);
      for (const size_t end : {0, 1}) {
        std::string& extreme = extremes[2 * i + end].current;
        extreme = ops_.intrinsic(end == 0 ? "smin" : "smax", kI64, {extreme, row.text}, 1, head);
      }
    }
  });
  for (size_t i = 0; i < open.size(); ++i)
    set_bounds(&computed_[open[i]], {false, 0, extremes[2 * i].current}, {false, 0, extremes[2 * i + 1].current});
  return true;
}

// A loop over the runs before the nest, up to `stop`; it does nothing where a guard so far does not hold.
void Nest::look_through_runs(const std::string& stop, std::vector<Carried>* carried,
                             const std::function<void(Stream&)>& body) {
  const Piece start = row_value(run_->form);
  const std::string head_label = module_.fresh_label();
  const std::string after = module_.fresh_label();
  Stream head;  // before the branch to it, since what it needs once goes there
  head.label = head_label;
  streams_[vector_loop_] = &head;
  run_from_ = module_.fresh();
  const bool outer = analysing_;
  analysing_ = false;
  const std::string to = run_end(start, stop, head);
  std::vector<std::string> starts;
  for (Carried& value : *carried) starts.push_back(std::exchange(value.current, module_.fresh()));
  const std::vector<Carried> incoming = *carried;
  body(head);
  analysing_ = outer;
  const std::string more = ops_.compare("icmp", "slt", kI64, to, stop, 1, head);
  head.line("br i1 " + more + ", label %" + head_label + ", label %" + after);
  std::string enter = ops_.compare("icmp", "slt", kI64, "0", stop, 1, before_);
  for (const std::string& holds : guards_) enter = ops_.binary("and", kI1, enter, holds, 1, before_);
  const std::string outside = before_.label;
  before_.line("br i1 " + enter + ", label %" + head_label + ", label %" + after);
  auto joined = [&](const std::string& name, const std::string& type, const std::string& from,
                    const std::string& again) {
    before_.line(name + " = phi " + type + " [ " + from + ", %" + outside + " ], [ " + again + ", %" + head.label +
                 " ]");
  };
  before_.open(head_label);
  joined(run_from_, "i64", "0", to);
  for (size_t i = 0; i < starts.size(); ++i)
    joined(incoming[i].current, incoming[i].type, starts[i], (*carried)[i].current);
  before_.text += head.text;
  before_.open(after);
  for (size_t i = 0; i < starts.size(); ++i) {
    const std::string result = module_.fresh();
    joined(result, incoming[i].type, starts[i], (*carried)[i].current);
    (*carried)[i].current = result;
  }
  streams_[vector_loop_] = nullptr;
  run_from_.clear();
  forget_inside(0);
}

// Whether a block of bits that is the same along each run is true everywhere: an i1 in before(), false where a guard
// does not hold either. Nothing where it is not of that kind.
std::optional<std::string> Nest::holds_in_runs(const Value* condition) {
  std::vector<MaskAt> masks;
  if (!run_ || vector_loop_ != 1 || run_->divisor < kLongRun || !steady(condition, coordinates_, &masks) ||
      !masks.empty())
    return std::nullopt;
  std::vector<Carried> all{{"i1", "true"}};
  look_through_runs(std::to_string(loops_[vector_loop_].extent), &all, [&](Stream& head) {
    const Piece here = value(condition, at_first(coordinates_), 0);
    all[0].current = ops_.binary("and", kI1, all[0].current, here.text, 1, head);
  });
  for (const std::string& holds : guards_) all[0].current = ops_.binary("and", kI1, all[0].current, holds, 1, before_);
  return all[0].current;
}

void Nest::set_bounds(ComputedPosition* position, const Term& low, const Term& high) {
  position->bounded = true;
  position->low = low;
  position->high = high;
  if (position->value->type.pointer) return;
  guard("sge", low, {true, -kFarthestRow, ""});  // so that products with strides do not wrap
  guard("sle", high, {true, kFarthestRow, ""});
}

std::vector<const Value*> Nest::find_row_names(const std::vector<const Value*>& loads) {
  std::vector<const Value*> names;
  for (const Access& access : unbounded_) {
    if (std::find(loads.begin(), loads.end(), access.value) == loads.end()) continue;
    for (const auto& [number, c] : access.address.computed) {
      const ComputedPosition& position = computed_[number];
      if (position.bounded) continue;
      const bool small = position.value->type.tensor && position.value->type.elements() <= kFewRows &&
                         !shared_.slots.contains(position.value);
      const bool grown = shared_.groups && shared_.groups->dimension.contains(position.value);
      if (!small || grown || position.steps) return {};
      names.push_back(position.value);
    }
  }
  return names;
}

// In place of the vector loop's position its value at the start of the run.
Coordinates Nest::at_first(const Coordinates& at) {
  Coordinates first = at;
  if (!run_) return first;
  const int level = static_cast<int>(vector_loop_);
  Stream& out = stream(level);
  for (Index& index : first) {
    const int64_t c = is_linear(index) ? index.coefficients[vector_loop_] : 0;
    if (c == 0) continue;
    index.coefficients[vector_loop_] = 0;
    const Piece rest = index_piece(index, 0);
    std::string start = ops_.convert("trunc", kI64, kI32, run_from_, 1, out);
    if (c != 1) start = ops_.binary("mul", kI32, start, std::to_string(c), 1, out);
    index.opaque = ops_.binary("add", kI32, start, rest.text, 1, out);
    index.width = 1;
    index.level = std::max(level, rest.level);
  }
  return first;
}

// A computed position as an i64: of the whole run, or, where it steps, what it would be at position 0 of the loop.
Piece Nest::computed_row(size_t number) {
  const std::string name = formatted("computed %zu", number);
  if (auto known = pieces_.find(name); known != pieces_.end()) return known->second;
  const ComputedPosition& position = computed_[number];
  const Live* const holds = live_;
  const int copy = copy_;
  const std::string run_to = run_to_;
  live_ = nullptr;
  copy_ = 0;
  run_to_.clear();
  Piece piece = value(position.value, at_first(position.at), 0);
  live_ = holds;
  copy_ = copy;
  run_to_ = run_to;
  const Type element = position.value->type.element();
  Stream& out = stream(piece.level);
  if (!element.pointer && element.scalar != Scalar::kI64) {
    if (is_constant(piece.text)) {
      piece.text = std::to_string(std::stoll(piece.text));
    } else {
      piece.text = ops_.convert("sext", element, kI64, piece.text, 1, out);
    }
  }
  if (position.steps) {
    piece.level = std::max(piece.level, static_cast<int>(vector_loop_));
    piece.text = ops_.binary("sub", kI64, piece.text, run_from_, 1, stream(piece.level));
  }
  return pieces_[name] = piece;
}

bool Nest::find_runs(const std::vector<Sink>& sinks) {
  if (mode_ == Mode::kExact || lanes_ == 1) return false;
  std::vector<const Value*> roots;
  std::map<std::string, size_t> stopping;  // atoms of the sinks' masks
  for (const Sink& sink : sinks) {
    const Value* mask = nullptr;
    if (sink.store != nullptr) {
      roots.insert(roots.end(), sink.store->operands.begin(), sink.store->operands.end());
      if (sink.store->operands.size() > 2) mask = sink.store->operands[2];
    } else if (sink.value != nullptr) {
      roots.push_back(sink.value);
      const ttir::Operation* op = sink.value->producer;  // where its mask is off, a load gives what it is told to
      if (op != nullptr && op->op == Op::kLoad && op->operands.size() > 1) mask = op->operands[1];
    }
    if (mask == nullptr || !mask->type.tensor) continue;
    std::vector<Atom> parts;
    std::set<std::string> names;
    atoms(mask, coordinates_, &parts);
    for (const Atom& atom : parts) {
      const std::optional<Form> form = below_zero(atom);
      if (!form || !form->computed.empty()) continue;
      const Term& c = form->coefficients[vector_loop_];
      if (c.is(0) || c.is(1)) names.insert(key(atom.value, atom.at, -1));
    }
    for (const std::string& name : names) ++stopping[name];
  }
  std::optional<Run> found;
  std::set<std::string> seen;
  std::function<void(const Value*, const Coordinates&)> visit = [&](const Value* value, const Coordinates& at) {
    if (!value->type.tensor || shared_.slots.contains(value)) return;
    if (auto induction = shared_.schedule.inductions.find(value); induction != shared_.schedule.inductions.end())
      return visit(induction->second.start, at);
    if (value->producer == nullptr || !seen.insert(key(value, at, -1)).second) return;
    const ttir::Operation& op = *value->producer;
    if (is_division(op.op)) {
      const std::optional<Form> divisor = affine(op.operands[1], at);
      const std::optional<Form> dividend = affine(op.operands[0], at);
      const bool fits = divisor && divisor->uniform() && divisor->base.known && divisor->base.value >= kShortestRun &&
                        dividend && dividend->computed.empty() && dividend->coefficients[vector_loop_].is(1);
      if (fits && (!found || divisor->base.value < found->divisor)) {
        const std::optional<Form> form =
            without_wrap(dividend, ttir::bits_of(op.result()->type.scalar), is_signed(op.op));
        if (form) found = Run{op.operands[0], at, divisor->base.value, *form};
      }
    }
    for (size_t i = 0; i < op.operands.size(); ++i) visit(op.operands[i], operand_coordinates(op, i, at));
  };
  for (const Value* root : roots) visit(root, coordinates_);
  if (!found) return false;
  if (vector_loop_ == 0 || !loops_[vector_loop_ - 1].runs) return true;
  for (const auto& [name, count] : stopping)
    if (count == sinks.size()) stops_.insert(name);
  const Term low = range(found->form).first;
  guard("sge", low, {true, 0, ""});
  run_ = found;
  forms_.clear();
  return true;
}

Piece Nest::run_mask() {
  const std::string& position = loops_[vector_loop_].position;
  const std::string name = "run mask " + position;
  auto known = pieces_.find(name);
  if (known != pieces_.end()) return known->second;
  const int level = static_cast<int>(vector_loop_) + 1;
  Stream& out = stream(level);
  std::string left = ops_.binary("sub", kI64, run_to_, position, 1, out);
  left = ops_.convert("trunc", kI64, kI32, left, 1, out);
  const Piece all = widen({left, 1, level}, kI32);
  const std::string bits = ops_.compare("icmp", "ult", kI32, lane_multiples(lanes_, "i32", 1), all.text, lanes_, out);
  return pieces_[name] = {bits, lanes_, level};
}

// Where the run that starts at run_from_ ends.
std::string Nest::run_end(const Piece& start, const std::string& stop, Stream& head) {
  const std::string flat = ops_.binary("add", kI64, start.text, run_from_, 1, head);
  const std::string rest = ops_.binary("urem", kI64, flat, std::to_string(run_->divisor), 1, head);
  const std::string left = ops_.binary("sub", kI64, std::to_string(run_->divisor), rest, 1, head);
  const std::string beyond = ops_.binary("add", kI64, run_from_, left, 1, head);
  return ops_.intrinsic("smin", kI64, {beyond, stop}, 1, head);
}

// The vector loop, run after run.
void Nest::run_loop(Stream& out, const Live& live, int copies, const std::function<void(int)>& body) {
  const int64_t extent = loops_[vector_loop_].extent;
  while (copies > 1 && static_cast<int64_t>(copies) * lanes_ > std::min(extent, run_->divisor)) copies /= 2;
  const std::string stop = clamped(live.stop, extent, out);
  const std::string full = clamped(live.full, extent, out);
  measure(full, out);
  const Piece start = row_value(run_->form);
  shared_.report.note(
      formatted("strips end where the quotient of %s by %lld changes",
                run_->dividend->producer == nullptr ? "an argument" : place_of(*run_->dividend->producer).c_str(),
                static_cast<long long>(run_->divisor)));
  const std::string before = out.label;
  const std::string head_label = module_.fresh_label();
  const std::string after = module_.fresh_label();
  out.line("br i1 " + ops_.compare("icmp", "slt", kI64, "0", stop, 1, out) + ", label %" + head_label + ", label %" +
           after);
  run_from_ = module_.fresh();
  Stream head;
  head.label = head_label;
  streams_[vector_loop_] = &head;
  const std::string to = run_end(start, stop, head);
  const std::string whole = ops_.intrinsic("smin", kI64, {to, full}, 1, head);
  std::string count = ops_.binary("sub", kI64, whole, run_from_, 1, head);
  count = ops_.intrinsic("smax", kI64, {count, "0"}, 1, head);
  count = ops_.binary("and", kI64, count, std::to_string(-static_cast<int64_t>(copies) * lanes_), 1, head);
  const std::string main_end = ops_.binary("add", kI64, run_from_, count, 1, head);
  std::vector<Carried> none;
  nested(head, [&](Stream& inner) {
    strips(inner, run_from_, main_end, copies, true, &live, &none, body);
    run_to_ = to;
    strips(inner, main_end, to, 1, true, nullptr, &none, body);
    run_to_.clear();
  });
  const std::string more = ops_.compare("icmp", "slt", kI64, to, stop, 1, head);
  head.line("br i1 " + more + ", label %" + head_label + ", label %" + after);
  out.open(head_label);
  out.line(run_from_ + " = phi i64 [ 0, %" + before + " ], [ " + to + ", %" + head.label + " ]");
  out.text += head.text;
  out.open(after);
}

}  // namespace fl::compiler
