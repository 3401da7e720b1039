// The sites of a kernel: which nests are written there, in which of their modes, and where blocks are stored.

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "compiler/lower/instructions/atomics.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

constexpr int64_t kLargestArena = int64_t{64} << 20;  // a thread; real kernels stay below a megabyte

}  // namespace

// First fit; a stored block is dead after the last site that may read it.
int64_t Kernel::allocate(const Type& type, int until) {
  const int64_t element = type.pointer ? 8 : ttir::bytes_of(type.scalar);
  return allocate_bytes(type.elements() * element, until);
}

// Of all programs of a group.
int64_t Kernel::allocate(const Value* block, int until) {
  Type type = block->type;
  type.shape = shared_.shape_of(block);
  return allocate(type, until);
}

int64_t Kernel::allocate_bytes(int64_t bytes, int until) {
  const int64_t size = (bytes + 63) / 64 * 64;
  std::sort(live_slots_.begin(), live_slots_.end(),
            [](const Allocation& a, const Allocation& b) { return a.offset < b.offset; });
  int64_t offset = 0;
  for (const Allocation& other : live_slots_) {
    if (offset + size <= other.offset) break;
    offset = std::max(offset, other.offset + other.size);
  }
  live_slots_.push_back({offset, size, until});
  shared_.fastest.erase(offset);
  arena_ = std::max(arena_, offset + size);
  if (shared_.groups && arena_ > kLargestArena / 8) groups_spoiled_ = true;
  if (arena_ > kLargestArena && !shared_.groups)
    fail(FL_UNSUPPORTED, "this kernel needs more than 64 MiB of scratch memory a thread; use smaller blocks");
  return offset;
}

int64_t Kernel::allocate_kept(int64_t bytes) {
  const int64_t offset = kept_;
  kept_ += (bytes + 63) / 64 * 64;
  if (arena_ + kept_ > kLargestArena)
    fail(FL_UNSUPPORTED, "this kernel needs more than 64 MiB of scratch memory a thread; use smaller blocks");
  return kKeptOffsets + offset;
}

void Kernel::expire(int position) {
  std::erase_if(live_slots_, [position](const Allocation& slot) { return slot.until < position; });
}

int64_t Kernel::allocate_block(const Value* block, int until) {
  const int64_t slot = allocate(block, until);
  shared_.fastest[slot] = layout_.fastest(block);
  return slot;
}

int64_t Kernel::slot_of_result(const Value* value) {
  auto last = schedule_.last_use.find(value);
  return allocate_block(value, last == schedule_.last_use.end() ? position_ : std::max(position_, last->second));
}

std::vector<size_t> Kernel::natural_order(const std::vector<int64_t>& shape, size_t fastest) {
  std::vector<size_t> order;
  for (size_t d = 0; d < shape.size(); ++d)
    if (d != fastest) order.push_back(d);
  order.push_back(fastest);
  return order;
}

const ttir::Value* Kernel::block_of(const Sink& sink) {
  return sink.atomic != nullptr ? sink.atomic->result() : sink.store != nullptr ? sink.store->operands[1] : sink.value;
}

size_t Kernel::strips_of(const Sink& sink) const {
  auto slot = shared_.fastest.find(sink.slot);
  const bool laid_out = !sink.touches_memory() && slot != shared_.fastest.end();
  return laid_out ? slot->second : layout_.fastest(block_of(sink));
}

size_t Kernel::contiguous_along(const Sink& sink) const {
  auto slot = shared_.fastest.find(sink.slot);
  return slot != shared_.fastest.end() ? slot->second : last_dimension(sink.value->type.shape);
}

const ttir::Value* Kernel::where_of(const Sink& sink) {
  return sink.store != nullptr ? sink.store->operands[0] : block_of(sink);
}

void Kernel::make_loops(Nest* nest, const Sink& sink, bool one_by_one) {
  const std::vector<int64_t> shape = shared_.shape_of(where_of(sink));
  const size_t fastest = strips_of(sink);
  nest->make_loops(shape, natural_order(shape, fastest), fastest, one_by_one);
  keep_to_group(nest, {sink});
}

// Of the positions of a whole group those of the programs that run now, as far as the stores' masks let them through: a
// row of a group is mostly as long as a row in memory, and what is beyond would seem to overlap the next one.
void Kernel::keep_to_group(Nest* nest, const std::vector<Sink>& sinks) {
  if (!shared_.groups) return;
  auto grown = shared_.groups->dimension.find(where_of(sinks[0]));
  if (grown == shared_.groups->dimension.end()) return;
  std::vector<const Value*> masks;
  for (const Sink& sink : sinks)
    if (sink.store != nullptr && sink.store->operands.size() > 2) masks.push_back(sink.store->operands[2]);
  std::string limit = shared_.group_positions;
  if (masks.size() == sinks.size()) {
    bool exactly = false;
    const std::string live = nest->live_counts(masks, &exactly)[grown->second];
    if (!live.empty()) limit = shared_.ops.intrinsic("smin", Type::of(Scalar::kI64), {limit, live}, 1, nest->before());
  }
  nest->restrict(grown->second, limit, true);
}

void Kernel::loops_over(Nest* nest, const std::vector<int64_t>& shape) {
  const size_t last = last_dimension(shape);
  nest->make_loops(shape, natural_order(shape, last), last);
}

void Kernel::store_block(const Value* value) {
  groups_spoiled_ = true;
  const int64_t slot = slot_of_result(value);
  emit({{nullptr, value, slot}});
  shared_.slots[value] = slot;
}

// The loads that the sinks' blocks are computed from, up to what is stored already.
std::vector<const ttir::Value*> Kernel::loads_of(const std::vector<Sink>& sinks) const {
  std::vector<const Value*> open;
  for (const Sink& sink : sinks) {
    if (sink.touches_memory()) open.insert(open.end(), sink.operands().begin(), sink.operands().end());
  }
  std::unordered_set<const Value*> seen;
  std::vector<const Value*> loads;
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (!value->type.tensor || shared_.slots.contains(value) || !seen.insert(value).second) continue;
    if (auto induction = schedule_.inductions.find(value); induction != schedule_.inductions.end()) {
      open.push_back(induction->second.start);
      continue;
    }
    if (value->producer == nullptr) continue;
    if (value->producer->op == Op::kLoad) {
      loads.push_back(value);
      continue;  // loads that its address needs are done inside its own nest, which writes nothing but the arena
    }
    open.insert(open.end(), value->producer->operands.begin(), value->producer->operands.end());
  }
  return loads;
}

void Kernel::store_first(const std::vector<const Value*>& loads, std::vector<const Value*>* stored, bool exact) {
  for (const Value* load : loads) {
    if (shared_.slots.contains(load)) continue;
    groups_spoiled_ = groups_spoiled_ || !exact;
    const int64_t slot = allocate_block(load, position_);
    const Sink sink{nullptr, load, slot};
    if (exact) {
      emit_exact({sink});
    } else {
      emit({sink});
    }
    shared_.slots[load] = slot;
    stored->push_back(load);
  }
}

// Note [Cuts between nests]
// LLVM's loop strength reduction asks, for each loop, what the blocks before it imply, and walks up as long as a block
// has one way in: with a nest behind a nest that is quadratic, and a sort of 64 elements took 12 s to compile. A branch
// whose outcome it does not know, to the same place, ends the walk; the code generator folds it afterwards. `%any` is
// true wherever a program runs.
void Kernel::cut() {
  const std::string side = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 %any, label %" + join + ", label %" + side);
  out_->open(side);
  out_->line("br label %" + join);
  out_->open(join);
}

// The nest behind its guards, or as it is where there are none.
void Kernel::write_nest(Nest& nest, const std::function<void()>& otherwise) {
  out_->text += nest.before().text;
  out_->label = nest.before().label;
  if (nest.guards().empty()) {
    out_->line("br label %" + nest.entry());
    out_->text += nest.body().text;
    out_->label = nest.body().label;
    return cut();
  }
  std::string all = nest.guards()[0];
  for (size_t i = 1; i < nest.guards().size(); ++i)
    all = shared_.ops.binary("and", Type::of(Scalar::kI1), all, nest.guards()[i], 1, *out_);
  const std::string exact = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + all + ", label %" + nest.entry() + ", label %" + exact);
  out_->text += nest.body().text;
  out_->line("br label %" + join);
  out_->open(exact);
  shared_.report.note(
      formatted("runs where %zu conditions hold at the launch, that indices do not wrap and loads and stores do not "
                "overlap; else exact code does",
                nest.guards().size()));
  const Report::Silence silence(shared_.report);
  otherwise();
  out_->line("br label %" + join);
  out_->open(join);
}

void Kernel::emit(std::vector<Sink> sinks) {
  const std::vector<int64_t> shape = shared_.shape_of(where_of(sinks[0]));
  size_t along = strips_of(sinks[0]);
  auto nest_with = [&](bool runs) {
    auto nest = std::make_unique<Nest>(shared_, Nest::Mode::kFast);
    nest->make_loops(shape, natural_order(shape, along), along, false, runs);
    nest->before().label = out_->label;
    keep_to_group(nest.get(), sinks);
    return nest;
  };
  auto make_nest = [&] {
    const bool runs = nest_with(false)->find_runs(sinks);
    std::unique_ptr<Nest> nest = nest_with(runs);
    if (runs) nest->find_runs(sinks);
    return nest;
  };
  if (const auto unit = nest_with(false)->stored_along(sinks); unit && shape[*unit] >= target_.lanes) along = *unit;
  if (shared_.groups && sinks[0].store != nullptr)
    groups_spoiled_ = groups_spoiled_ || shared_.groups->dimension.at(where_of(sinks[0])) != along;
  std::vector<const Value*> stored;
  std::unique_ptr<Nest> nest = make_nest();
  size_t across = 0;
  for (const Value* block : nest->find_turned(sinks, &across)) {
    if (block == sinks[0].value && sinks.size() == 1 && !sinks[0].as && contiguous_along(sinks[0]) == along)
      return store_turned(block, across, along, sinks[0].slot);
    const int64_t slot = allocate(block, position_);
    shared_.fastest[slot] = along;
    store_turned(block, across, along, slot);
    shared_.slots[block] = slot;
    stored.push_back(block);
  }
  if (!stored.empty()) nest = make_nest();
  std::vector<const Value*> blocked = nest->check_overlap(sinks);
  if (nest->unknown_store() && sinks.size() > 1) {  // each in its own nest, so that their order stays
    store_first(loads_of(sinks), &stored, false);
    for (const Sink& sink : sinks) emit({sink});
    for (const Value* value : stored) shared_.slots.erase(value);
    return;
  }
  if (const auto names = nest->find_row_names(blocked); !names.empty()) {
    for (const Value* block : names) {
      if (shared_.slots.contains(block)) continue;
      const int64_t slot = allocate_block(block, position_);
      emit({{nullptr, block, slot}});
      shared_.slots[block] = slot;
      stored.push_back(block);
      find_extremes(block, slot);
    }
    nest = make_nest();
    blocked = nest->check_overlap(sinks);
  }
  if (!blocked.empty()) {
    store_first(blocked, &stored, false);
    nest = make_nest();
    nest->check_overlap(sinks);
  }
  nest->narrow_streams(sinks);
  describe(sinks, *nest);
  nest->map(sinks);
  write_nest(*nest, [&] { emit_exact(sinks); });
  for (const Value* value : stored) shared_.slots.erase(value), shared_.extremes.erase(value);
}

// Of a block in scratch.
void Kernel::find_extremes(const Value* block, int64_t slot) {
  const Type kI64 = Type::of(Scalar::kI64);
  const Type element = block->type.pointer ? kI64 : block->type.element();
  const int64_t count = block->type.elements();
  const int width = static_cast<int>(std::min<int64_t>(count, target_.lanes));
  const std::string type = llvm_type(element, width);
  auto strip = [&](Stream& out, const std::string& position) {
    const std::string place = module_.fresh();
    const std::string loaded = module_.fresh();
    out.line(place + " = getelementptr " + llvm_type(element, 1) + ", ptr " + arena_pointer(slot, out) + ", i64 " +
             position);
    out.line(loaded + " = load " + type + ", ptr " + place + ", align " +
             std::to_string(ttir::bytes_of(element.scalar)));
    return loaded;
  };
  const std::string first = strip(*out_, "0");
  std::vector<Carried> found{{type, first}, {type, first}};
  const char* const names[] = {"smin", "smax"};
  if (count > width) {
    counted_loop(module_, shared_.ops, *out_, std::to_string(width), std::to_string(count), width, false, &found,
                 [&](Stream& body, const std::string& position) {
                   const std::string here = strip(body, position);
                   for (size_t i : {0, 1})
                     found[i].current = shared_.ops.intrinsic(names[i], element, {found[i].current, here}, width, body);
                 });
  }
  std::string results[2];
  for (size_t i : {0, 1}) {
    results[i] = found[i].current;
    if (width > 1) {
      const std::string function =
          formatted("@llvm.vector.reduce.%s.v%di%d", names[i], width, ttir::bits_of(element.scalar));
      module_.declare(llvm_type(element, 1) + " " + function + "(" + type + ")");
      results[i] = module_.fresh();
      out_->line(results[i] + " = call " + llvm_type(element, 1) + " " + function + "(" + type + " " +
                 found[i].current + ")");
    }
    if (element.scalar != Scalar::kI64) results[i] = shared_.ops.convert("sext", element, kI64, results[i], 1, *out_);
  }
  shared_.extremes[block] = {results[0], results[1]};
}

// A block whose loads run along `across` into scratch, where it is contiguous along `along`.
void Kernel::store_turned(const Value* block, size_t across, size_t along, int64_t slot) {
  const Sink sink{nullptr, block, slot};
  groups_spoiled_ = true;
  Nest nest(shared_, Nest::Mode::kFast);
  std::vector<size_t> order = natural_order(block->type.shape, along);
  std::erase(order, across);
  order.push_back(across);
  nest.make_loops(block->type.shape, order, across);
  nest.before().label = out_->label;
  describe({sink}, nest);
  shared_.report.note("strips run along memory, squares of them are transposed");
  nest.map_turned(block, slot);
  write_nest(nest, [&] { emit_exact({sink}); });
}

// Tells the report what a nest is for and what was fused into it.
void Kernel::describe(const std::vector<Sink>& sinks, const Nest& nest) {
  if (shared_.report.silent()) return;
  std::string title;
  std::vector<const Value*> roots;
  for (const Sink& sink : sinks) {
    const Operation* op = sink.store != nullptr    ? sink.store
                          : sink.atomic != nullptr ? sink.atomic
                                                   : sink.value->producer;
    title += (title.empty() ? "" : ", ") + (op == nullptr ? "a block carried round a loop" : place_of(*op));
    if (sink.touches_memory()) roots.insert(roots.end(), sink.operands().begin(), sink.operands().end());
    if (!sink.touches_memory()) title += " to scratch", roots.push_back(sink.value);
  }
  const Value* first = sinks[0].touches_memory() ? sinks[0].operands()[0] : sinks[0].value;
  begin_report(title, first->type.shape, roots, nest.lanes());
}

void Kernel::begin_report(const std::string& title, const std::vector<int64_t>& shape,
                          const std::vector<const Value*>& roots, int lanes) {
  if (shared_.report.silent()) return;
  const std::string strips = lanes > 1 ? formatted(", in strips of %d", lanes) : ", element by element";
  shared_.report.nest(title + " over " + shape_text(shape) + strips);
  std::vector<const Value*> open = roots;
  std::unordered_set<const Value*> seen;
  std::map<int, std::string> fused;  // by line
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (!value->type.tensor || !seen.insert(value).second || value->producer == nullptr) continue;
    if (shared_.slots.contains(value)) {
      shared_.report.note("reads " + place_of(*value->producer) + " from scratch");
      continue;
    }
    const Operation& op = *value->producer;
    // Index arithmetic is in every nest and says nothing.
    const bool counts = op.op == Op::kLoad || value->type.holds_float();
    if (counts && op.op != Op::kSplat && op.op != Op::kConstant && op.op != Op::kBroadcast && op.op != Op::kExpandDims)
      fused[op.where.line] = place_of(op);
    open.insert(open.end(), op.operands.begin(), op.operands.end());
  }
  std::string all;
  for (const auto& [line, text] : fused) all += (all.empty() ? "" : "; ") + text;
  if (!all.empty()) shared_.report.note("fused into it: " + all);
}

// Behind a failed guard: all loads first, then one store after the other.
void Kernel::emit_exact(const std::vector<Sink>& sinks) {
  std::vector<const Value*> stored;
  store_first(loads_of(sinks), &stored, true);
  for (const Sink& sink : sinks) {
    Nest nest(shared_, Nest::Mode::kExact);
    make_loops(&nest, sink);
    nest.before().label = out_->label;
    nest.map({sink});
    write_nest(nest, [] {});
  }
  for (const Value* value : stored) shared_.slots.erase(value);
}

void Kernel::reduce(const Operation& op) {
  std::vector<int64_t> slots;
  const bool blocks = op.results[0]->type.tensor;
  if (blocks)
    for (const Value* result : op.results) slots.push_back(slot_of_result(result));
  const std::string done = blocks ? begin_matrix_vector(op, slots) : "";
  Nest fast(shared_, Nest::Mode::kFast);
  fast.before().label = out_->label;
  begin_report(place_of(op), op.operands[0]->type.shape, {op.operands.begin(), op.operands.end()}, target_.lanes);
  const size_t fastest = layout_.fastest(op.operands[0]);
  const std::vector<std::string> values = fast.reduce(op, slots, fastest);
  std::vector<std::string> exact_values;
  const bool guarded = !fast.guards().empty();
  std::string exact_label;
  write_nest(fast, [&] {
    Nest exact(shared_, Nest::Mode::kExact);
    exact.before().label = out_->label;
    exact_values = exact.reduce(op, slots, fastest);
    write_nest(exact, [] {});
    exact_label = out_->label;
  });
  for (size_t i = 0; i < op.results.size(); ++i) {
    if (blocks) {
      shared_.slots[op.results[i]] = slots[i];
    } else if (!guarded) {
      shared_.scalars[op.results[i]] = values[i];
    } else {
      const std::string joined = module_.fresh();
      out_->line(joined + " = phi " + llvm_type(op.results[i]->type, 1) + " [ " + values[i] + ", %" +
                 fast.body().label + " ], [ " + exact_values[i] + ", %" + exact_label + " ]");
      shared_.scalars[op.results[i]] = joined;
    }
  }
  if (done.empty()) return;
  out_->line("br label %" + done);
  out_->open(done);
}

void Kernel::scan(const Operation& op) {
  std::vector<int64_t> slots;
  for (const Value* result : op.results) slots.push_back(slot_of_result(result));
  Nest fast(shared_, Nest::Mode::kFast);
  fast.before().label = out_->label;
  begin_report(place_of(op), op.operands[0]->type.shape, {op.operands.begin(), op.operands.end()}, target_.lanes);
  const size_t fastest = layout_.fastest(op.operands[0]);
  fast.scan(op, slots, fastest);
  write_nest(fast, [&] {
    Nest exact(shared_, Nest::Mode::kExact);
    exact.before().label = out_->label;
    exact.scan(op, slots, fastest);
    write_nest(exact, [] {});
  });
  for (size_t i = 0; i < slots.size(); ++i) shared_.slots[op.results[i]] = slots[i];
}

// Lane after lane, with all loads that it needs done before: other programs may see each step.
void Kernel::atomic(const Operation& op) {
  const size_t values = op.op == Op::kAtomicCas ? 3 : 2;
  if (!op.result()->type.tensor) {
    std::vector<std::string> operands;
    for (size_t i = 0; i < values; ++i) operands.push_back(text(op.operands[i]));
    std::string mask = op.operands.size() > values ? text(op.operands[values]) : "";
    if (mask == "true") mask.clear();
    shared_.scalars[op.result()] = atomic_element(module_, shared_.ops, op, operands, mask, *out_);
    if (op.op == Op::kAtomicCas) ordered_ = true;  // mostly a lock
    return;
  }
  Sink sink;
  sink.atomic = &op;
  const bool used = schedule_.uses.contains(op.result());
  sink.slot = used ? slot_of_result(op.result()) : -1;
  std::vector<const Value*> stored;
  store_first(loads_of({sink}), &stored, false);
  const std::vector<int64_t>& shape = op.result()->type.shape;
  auto write = [&](Nest::Mode mode, const std::function<void()>& otherwise) {
    Nest nest(shared_, mode);
    make_loops(&nest, sink, true);
    nest.before().label = out_->label;
    nest.map({sink});
    write_nest(nest, otherwise);
  };
  begin_report(place_of(op) + ", one lane after the other", shape, {op.operands.begin(), op.operands.end()}, 1);
  write(Nest::Mode::kFast, [&] { write(Nest::Mode::kExact, [] {}); });
  for (const Value* value : stored) shared_.slots.erase(value);
  if (used) shared_.slots[op.result()] = sink.slot;
}

// Counts into a block of the arena, one element after the other; values outside of it are not counted.
void Kernel::histogram(const Operation& op) {
  const Type counted = op.operands[0]->type;
  const Type kI64 = Type::of(Scalar::kI64);
  std::vector<int64_t> slots;
  for (const Value* operand : op.operands) {
    slots.push_back(allocate(operand->type, position_));
    emit({{nullptr, operand, slots.back()}});
  }
  const int64_t bins = op.result()->type.shape[0];
  const int64_t target = slot_of_result(op.result());
  const std::string base = module_.fresh();
  out_->line(base + " = getelementptr i8, ptr %scratch, i64 " + std::to_string(target));
  module_.declare("void @llvm.memset.p0.i64(ptr, i8, i64, i1)");
  out_->line("call void @llvm.memset.p0.i64(ptr " + base + ", i8 0, i64 " + std::to_string(bins * 4) + ", i1 false)");
  std::vector<Carried> none;
  counted_loop(module_, shared_.ops, *out_, "0", std::to_string(counted.elements()), 1, false, &none,
               [&](Stream& body, const std::string& position) {
                 auto element = [&](size_t operand, const std::string& type) {
                   const std::string start = module_.fresh();
                   body.line(start + " = getelementptr i8, ptr %scratch, i64 " + std::to_string(slots[operand]));
                   const std::string place = module_.fresh();
                   body.line(place + " = getelementptr " + type + ", ptr " + start + ", i64 " + position);
                   const std::string value = module_.fresh();
                   body.line(value + " = load " + type + ", ptr " + place);
                   return value;
                 };
                 std::string bin = element(0, llvm_type(counted.element(), 1));
                 if (counted.scalar != Scalar::kI64)
                   bin = shared_.ops.convert("sext", counted.element(), kI64, bin, 1, body);
                 std::string inside = shared_.ops.compare("icmp", "ult", kI64, bin, std::to_string(bins), 1, body);
                 if (slots.size() > 1) {
                   const Type kI8 = Type::of(Scalar::kI8);
                   const std::string on = shared_.ops.compare("icmp", "ne", kI8, element(1, "i8"), "0", 1, body);
                   inside = shared_.ops.binary("and", Type::of(Scalar::kI1), inside, on, 1, body);
                 }
                 const std::string safe = shared_.ops.select(kI64, inside, bin, "0", 1, body);
                 const std::string place = module_.fresh();
                 body.line(place + " = getelementptr i32, ptr " + base + ", i64 " + safe);
                 const std::string before = module_.fresh();
                 body.line(before + " = load i32, ptr " + place);
                 const Type kI32 = Type::of(Scalar::kI32);
                 const std::string one = shared_.ops.convert("zext", Type::of(Scalar::kI1), kI32, inside, 1, body);
                 body.line("store i32 " + shared_.ops.binary("add", kI32, before, one, 1, body) + ", ptr " + place);
               });
  shared_.slots[op.result()] = target;
}

}  // namespace fl::compiler
