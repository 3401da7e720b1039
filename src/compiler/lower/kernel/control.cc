// Control flow. Scalars that loops and branches pass on are phis; blocks live in the arena and are written where they
// are passed on; blocks that only advance (Schedule::inductions) are one number.

#include <algorithm>

#include "base/error.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

// Reads again what another program writes: a lock, or a prefix that is looked back for.
bool Kernel::waits(const Operation& op) {
  return op.op == Op::kAtomicCas || op.op == Op::kAtomicRmw || (op.op == Op::kLoad && op.integer("isVolatile") != 0);
}

void Kernel::into(Stream& stream, const std::function<void()>& write) {
  Stream* outer = out_;
  out_ = &stream;
  write();
  out_ = outer;
}

// Which stored blocks the expression reads, and whether only at its own position.
void Kernel::reads(const Value* value, bool in_place, std::map<int64_t, bool>* slots) const {
  if (!value->type.tensor) return;
  if (auto slot = shared_.slots.find(value); slot != shared_.slots.end()) {
    auto [known, added] = slots->try_emplace(slot->second, in_place);
    known->second = known->second && in_place;
    return;
  }
  if (auto induction = schedule_.inductions.find(value); induction != schedule_.inductions.end()) {
    return reads(induction->second.start, in_place, slots);
  }
  if (value->producer == nullptr) return;
  const Op op = value->producer->op;
  const bool moves = op == Op::kExpandDims || op == Op::kBroadcast || op == Op::kTrans || op == Op::kReshape ||
                     op == Op::kJoin || op == Op::kSplit || op == Op::kCat;
  for (const Value* operand : value->producer->operands) reads(operand, in_place && !moves, slots);
}

// Writes what is passed on to the blocks that carry it, as if all at once: a block that another expression reads, or
// that its own reads elsewhere, is first computed aside.
void Kernel::write_carried(const Operation& yield, const std::vector<const Value*>& values,
                           const std::vector<int64_t>& slots) {
  position_ = schedule_.position.at(&yield);
  std::vector<std::map<int64_t, bool>> read(values.size());
  for (size_t i = 0; i < values.size(); ++i) reads(values[i], true, &read[i]);
  std::vector<std::pair<size_t, int64_t>> aside;
  std::vector<size_t> in_place;
  for (size_t i = 0; i < values.size(); ++i) {
    if (auto own = shared_.slots.find(values[i]); own != shared_.slots.end() && own->second == slots[i]) continue;
    bool direct = true;
    for (size_t other = 0; other < values.size(); ++other) {
      auto found = read[other].find(slots[i]);
      if (found != read[other].end() && (other != i || !found->second)) direct = false;
    }
    if (direct) {
      in_place.push_back(i);
      continue;
    }
    const int64_t slot = allocate_block(values[i], position_);
    emit({{nullptr, values[i], slot}});
    aside.push_back({i, slot});
  }
  while (!in_place.empty()) {  // those of one shape share a nest
    std::vector<Sink> sinks;
    const std::vector<int64_t> shape = values[in_place[0]]->type.shape;
    for (size_t i : in_place)
      if (values[i]->type.shape == shape) sinks.push_back({nullptr, values[i], slots[i]});
    std::erase_if(in_place, [&](size_t i) { return values[i]->type.shape == shape; });
    emit(sinks);
  }
  for (const auto& [i, slot] : aside) {
    auto outer = shared_.slots.find(values[i]);
    const bool had = outer != shared_.slots.end();
    const int64_t before = had ? outer->second : 0;
    shared_.slots[values[i]] = slot;
    emit({{nullptr, values[i], slots[i]}});
    if (had) {
      shared_.slots[values[i]] = before;
    } else {
      shared_.slots.erase(values[i]);
    }
  }
}

// The number, times the iterations of the loop.
std::string Kernel::times(const std::string& number, const Operation& loop) {
  const Type& type = loop.operands[0]->type;
  auto wide = [&](const std::string& value) {
    if (type.scalar == Scalar::kI64) return value;
    return shared_.ops.convert("sext", type, kI64, value, 1, *out_);
  };
  std::string span =
      shared_.ops.binary("sub", kI64, wide(text(loop.operands[1])), wide(text(loop.operands[0])), 1, *out_);
  span = shared_.ops.intrinsic("smax", kI64, {span, "0"}, 1, *out_);
  const std::string step = shared_.ops.intrinsic("smax", kI64, {wide(text(loop.operands[2])), "1"}, 1, *out_);
  const std::string up =
      shared_.ops.binary("add", kI64, span, shared_.ops.binary("sub", kI64, step, "1", 1, *out_), 1, *out_);
  const std::string rounds = shared_.ops.binary("udiv", kI64, up, step, 1, *out_);
  return shared_.ops.binary("mul", kI64, number, rounds, 1, *out_);
}

void Kernel::for_loop(const Operation& op) {
  const ttir::Block& body = op.regions[0]->entry();
  const Operation& yield = *body.terminator();
  const Type& type = op.operands[0]->type;
  const int end = schedule_.end.at(&op);

  struct Phi {
    std::string name, type, start, next;
  };
  std::vector<Phi> phis;
  std::vector<const Value*> carried_blocks;
  std::vector<int64_t> slots;
  std::vector<std::pair<size_t, size_t>> inductions;  // result, phi
  std::vector<std::pair<size_t, size_t>> scalars;
  std::map<const Value*, Product*> sums;  // of products that wait for several iterations
  for (const Operation* inner : body.operations) {
    if (inner->op != Op::kDot || deferring_loop(*inner, users_) != &op) continue;
    if (auto product = begin_product(*inner, &op)) {
      sums[inner->operands[2]] = product.get();
      products_[inner] = std::move(product);
    }
  }
  for (size_t i = 0; i < op.results.size(); ++i) {
    const Value* argument = body.arguments[i + 1];
    if (schedule_.inductions.contains(argument)) {
      inductions.push_back({i, phis.size()});
      phis.push_back({module_.fresh(), "i64", "0", ""});
      shared_.induction_total[argument] = phis.back().name;
    } else if (argument->type.tensor) {
      auto last = schedule_.last_use.find(op.results[i]);
      const int64_t slot =
          allocate_block(argument, std::max(end, last == schedule_.last_use.end() ? end : last->second));
      auto sum = sums.find(argument);
      if (sum != sums.end()) {
        start_sum(sum->second, op.operands[i + 3], slot);
      } else {
        emit({{nullptr, op.operands[i + 3], slot}});
      }
      shared_.slots[argument] = slot;
      carried_blocks.push_back(yield.operands[i]);
      slots.push_back(slot);
    } else {
      scalars.push_back({i, phis.size()});
      phis.push_back({module_.fresh(), llvm_type(argument->type, 1), text(op.operands[i + 3]), ""});
      shared_.scalars[argument] = phis.back().name;
    }
  }
  const std::string runs_outside = shared_.nest_runs;
  if (shared_.past_bytes > 0) shared_.nest_runs = times(runs_outside, op);
  const std::string counter = module_.fresh();
  shared_.scalars[body.arguments[0]] = counter;
  const std::string before = out_->label;
  const std::string head = module_.fresh_label();
  const std::string enter = module_.fresh_label();
  const std::string exit = module_.fresh_label();
  out_->line("br label %" + head);

  Stream inside;
  inside.open(enter);
  std::string next;
  into(inside, [&] {
    ++shared_.loops;
    block(body);
    write_carried(yield, carried_blocks, slots);
    --shared_.loops;
    shared_.nest_runs = runs_outside;
    for (const auto& [i, phi] : scalars) phis[phi].next = text(yield.operands[i]);
    for (const auto& [i, phi] : inductions) {
      // What is added is the same in each element; addptr counts in elements of the pointee.
      const Operation& step = *schedule_.inductions.at(op.results[i]).step;
      const Value* source = uniform_source(step.operands[1]);
      const Type element = step.operands[1]->type.element();
      std::string amount =
          source->type.tensor ? llvm_constant(source->producer->constant, source->type.scalar) : text(source);
      if (element.scalar != Scalar::kI64) {
        amount = is_constant(amount) ? amount : shared_.ops.convert("sext", element, kI64, amount, 1, inside);
      }
      if (step.op == Op::kAddPtr) {
        amount = shared_.ops.binary("mul", kI64, amount, std::to_string(ttir::bytes_of(step.operands[0]->type.scalar)),
                                    1, inside);
      }
      phis[phi].next = shared_.ops.binary("add", kI64, phis[phi].name, amount, 1, inside);
    }
    next = shared_.ops.binary("add", type, counter, text(op.operands[2]), 1, inside);
    inside.line("br label %" + head);
  });

  const std::string integer = llvm_type(type, 1);
  out_->open(head);
  out_->line(counter + " = phi " + integer + " [ " + text(op.operands[0]) + ", %" + before + " ], [ " + next + ", %" +
             inside.label + " ]");
  for (const Phi& phi : phis) {
    out_->line(phi.name + " = phi " + phi.type + " [ " + phi.start + ", %" + before + " ], [ " + phi.next + ", %" +
               inside.label + " ]");
  }
  const std::string more = shared_.ops.compare("icmp", "slt", type, counter, text(op.operands[1]), 1, *out_);
  out_->line("br i1 " + more + ", label %" + enter + ", label %" + exit);
  out_->text += inside.text;
  out_->open(exit);
  for (const auto& [i, phi] : scalars) shared_.scalars[op.results[i]] = phis[phi].name;
  for (const auto& [i, phi] : inductions) shared_.induction_total[op.results[i]] = phis[phi].name;
  size_t carried = 0;
  for (size_t i = 0; i < op.results.size(); ++i) {
    if (op.results[i]->type.tensor && !schedule_.inductions.contains(op.results[i]))
      shared_.slots[op.results[i]] = slots[carried++];
  }
}

void Kernel::conditional(const Operation& op) {
  std::vector<int64_t> slots;
  for (const Value* result : op.results) {
    if (result->type.tensor) slots.push_back(slot_of_result(result));
  }
  const std::string labels[] = {module_.fresh_label(), module_.fresh_label()};
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + text(op.operands[0]) + ", label %" + labels[0] + ", label %" +
             (op.regions.size() > 1 ? labels[1] : join));
  std::vector<std::string> passed[2];
  std::string from[2];
  for (size_t side = 0; side < op.regions.size(); ++side) {
    out_->open(labels[side]);
    const ttir::Block& body = op.regions[side]->entry();
    block(body);
    const Operation& yield = *body.terminator();
    std::vector<const Value*> blocks;
    for (const Value* value : yield.operands) {
      if (value->type.tensor) {
        blocks.push_back(value);
      } else {
        passed[side].push_back(text(value));
      }
    }
    write_carried(yield, blocks, slots);
    from[side] = out_->label;
    out_->line("br label %" + join);
  }
  out_->open(join);
  size_t next_slot = 0;
  size_t next_scalar = 0;
  for (const Value* result : op.results) {
    if (result->type.tensor) {
      shared_.slots[result] = slots[next_slot++];
      continue;
    }
    const std::string joined = module_.fresh();
    out_->line(joined + " = phi " + llvm_type(result->type, 1) + " [ " + passed[0][next_scalar] + ", %" + from[0] +
               " ], [ " + passed[1][next_scalar] + ", %" + from[1] + " ]");
    shared_.scalars[result] = joined;
    ++next_scalar;
  }
}

void Kernel::while_loop(const Operation& op) {
  const ttir::Block& test = op.regions[0]->entry();
  const ttir::Block& body = op.regions[1]->entry();
  const Operation& condition = *test.terminator();
  const Operation& yield = *body.terminator();
  const int end = schedule_.end.at(&op);

  std::vector<int64_t> slots;
  std::vector<const Value*> next_blocks;
  struct Phi {
    std::string name, type, start;
    const Value* next;
  };
  std::vector<Phi> phis;
  for (size_t i = 0; i < test.arguments.size(); ++i) {
    const Value* argument = test.arguments[i];
    if (argument->type.tensor) {
      int until = end;
      for (const Value* result : op.results) {
        if (auto last = schedule_.last_use.find(result); last != schedule_.last_use.end())
          until = std::max(until, last->second);
      }
      const int64_t slot = allocate_block(argument, until);
      emit({{nullptr, op.operands[i], slot}});
      shared_.slots[argument] = slot;
      slots.push_back(slot);
      next_blocks.push_back(yield.operands[i]);
    } else {
      phis.push_back({module_.fresh(), llvm_type(argument->type, 1), text(op.operands[i]), yield.operands[i]});
      shared_.scalars[argument] = phis.back().name;
    }
  }
  const std::string before = out_->label;
  const std::string head = module_.fresh_label();
  const std::string enter = module_.fresh_label();
  const std::string exit = module_.fresh_label();
  out_->line("br label %" + head);

  Stream inside;
  inside.label = head;
  into(inside, [&] {
    block(test);
    // What the test passes on is what the body and the code behind the loop see.
    for (size_t i = 1; i < condition.operands.size(); ++i) {
      const Value* value = condition.operands[i];
      const Value* argument = body.arguments[i - 1];
      const Value* result = op.results[i - 1];
      if (!value->type.tensor) {
        shared_.scalars[argument] = shared_.scalars[result] = text(value);
        continue;
      }
      auto known = shared_.slots.find(value);
      int64_t slot = 0;
      if (known != shared_.slots.end()) {
        slot = known->second;
      } else {
        auto last = schedule_.last_use.find(result);
        slot = allocate_block(value, std::max(end, last == schedule_.last_use.end() ? end : last->second));
        position_ = schedule_.position.at(&condition);
        emit({{nullptr, value, slot}});
      }
      shared_.slots[argument] = shared_.slots[result] = slot;
    }
    inside.line("br i1 " + text(condition.operands[0]) + ", label %" + enter + ", label %" + exit);
    inside.open(enter);
    auto any_waits = [](const ttir::Block& block) {
      return std::any_of(block.operations.begin(), block.operations.end(),
                         [](const Operation* op) { return waits(*op); });
    };
    if (any_waits(test) || any_waits(body)) {
      // The program waited for may have lost its CPU to this loop: FlagGems' sort took minutes on a busy machine.
      module_.declare("i32 @sched_yield()");
      inside.line("call i32 @sched_yield()");
    }
    block(body);
    write_carried(yield, next_blocks, slots);
    inside.line("br label %" + head);
  });
  out_->open(head);
  for (const Phi& phi : phis) {
    out_->line(phi.name + " = phi " + phi.type + " [ " + phi.start + ", %" + before + " ], [ " + text(phi.next) +
               ", %" + inside.label + " ]");
  }
  out_->text += inside.text;
  out_->open(exit);
}

}  // namespace fl::compiler
