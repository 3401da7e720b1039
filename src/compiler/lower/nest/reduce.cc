// Reductions. Along the last dimension: vector accumulators over strips, folded at the end of each row. Along another:
// strips of the last dimension, the reduced dimension innermost, one accumulator a strip. The combine region is written
// on vectors, whatever it is, so no pattern need be recognised. The order of combination depends on shapes only.

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

}  // namespace

// The constant that leaves the other operand as it is, where the region is one operation known to have one.
std::optional<std::string> Nest::neutral(const ttir::Operation& op) {
  const ttir::Block& block = op.regions[0]->entry();
  if (op.operands.size() != 1 || block.operations.size() != 2) return std::nullopt;
  const ttir::Operation& step = *block.operations[0];
  const Scalar scalar = op.operands[0]->type.scalar;
  const bool direct = step.operands.size() == 2 && step.operands[0] != step.operands[1] &&
                      step.operands[0]->owner == &block && step.operands[1]->owner == &block &&
                      block.operations[1]->operands[0] == step.result();
  if (!direct || step.result()->type.scalar != scalar) return std::nullopt;
  const int bits = ttir::bits_of(scalar);
  const uint64_t lowest = uint64_t{1} << (bits - 1);
  switch (step.op) {
    case Op::kAddF:
      return llvm_float(-0.0, scalar);
    case Op::kMulF:
      return llvm_float(1.0, scalar);
    case Op::kMaximumF:
      return llvm_float(-HUGE_VAL, scalar);
    case Op::kMinimumF:
      return llvm_float(HUGE_VAL, scalar);
    case Op::kMaxNumF:
    case Op::kMinNumF:
      return llvm_float(std::nan(""), scalar);
    case Op::kAddI:
    case Op::kOrI:
    case Op::kXorI:
    case Op::kMaxUI:
      return llvm_constant(0, scalar);
    case Op::kMulI:
      return llvm_constant(1, scalar);
    case Op::kAndI:
    case Op::kMinUI:
      return llvm_constant(~uint64_t{0} >> (64 - bits), scalar);
    case Op::kMaxSI:
      return llvm_constant(lowest, scalar);
    case Op::kMinSI:
      return llvm_constant(lowest - 1, scalar);
    default:
      return std::nullopt;
  }
}

std::vector<std::string> Nest::combine(const ttir::Operation& op, const std::vector<std::string>& a,
                                       const std::vector<std::string>& b, int width, Stream& out) {
  const ttir::Block& block = op.regions[0]->entry();
  if (only_numbers_) {  // see Note [Extremes of numbers]
    const Type element = op.operands[0]->type.element();
    const char* better = block.operations[0]->op == Op::kMaxNumF ? "ogt" : "olt";
    return {
        ops_.select(element, ops_.compare("fcmp", better, element, a[0], b[0], width, out), a[0], b[0], width, out)};
  }
  std::unordered_map<const Value*, std::string> local;
  for (size_t i = 0; i < a.size(); ++i) {
    local[block.arguments[i]] = a[i];
    local[block.arguments[a.size() + i]] = b[i];
  }
  auto operand = [&](const Value* value) {
    if (auto known = local.find(value); known != local.end()) return known->second;
    const std::string& scalar = shared_.scalars.at(value);
    if (width == 1) return scalar;
    if (is_constant(scalar)) return splat_constant(scalar, value->type.scalar, value->type.pointer, width);
    const std::string type = llvm_type(value->type.element(), width);
    const std::string first = module_.fresh();
    out.line(first + " = insertelement " + type + " poison, " + llvm_type(value->type, 1) + " " + scalar + ", i32 0");
    const std::string all = module_.fresh();
    out.line(all + " = shufflevector " + type + " " + first + ", " + type +
             formatted(" poison, <%d x i32> zeroinitializer", width));
    return all;
  };
  std::vector<std::string> results;
  for (const ttir::Operation* inner : block.operations) {
    if (inner == block.terminator()) {
      for (const Value* value : inner->operands) results.push_back(operand(value));
      break;
    }
    if (inner->op == Op::kConstant) {
      const Type& type = inner->result()->type;
      local[inner->result()] = splat_constant(llvm_constant(inner->constant, type.scalar), type.scalar, false, width);
      continue;
    }
    std::vector<std::string> operands;
    for (const Value* value : inner->operands) operands.push_back(operand(value));
    local[inner->result()] = ops_.emit(*inner, operands, width, out);
  }
  return results;
}

std::vector<std::string> Nest::fold_lanes(const ttir::Operation& op, std::vector<std::string> values, int width,
                                          Stream& out) {
  while (width > 1) {
    const int half = width / 2;
    std::vector<std::string> low;
    std::vector<std::string> high;
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string type = llvm_type(op.operands[i]->type.element(), width);
      for (bool upper : {false, true}) {
        const std::string name = module_.fresh();
        if (half == 1) {
          out.line(name + " = extractelement " + type + " " + values[i] + ", i32 " + (upper ? "1" : "0"));
        } else {
          std::string order = formatted("<%d x i32> <", half);
          for (int lane = 0; lane < half; ++lane)
            order += (lane > 0 ? ", i32 " : "i32 ") + std::to_string(lane + (upper ? half : 0));
          out.line(name + " = shufflevector " + type + " " + values[i] + ", " + type + " poison, " + order + ">");
        }
        (upper ? high : low).push_back(name);
      }
    }
    values = combine(op, low, high, half, out);
    width = half;
  }
  return values;
}

// One row along the vector loop, which is the innermost: the scalars it reduces to.
std::vector<std::string> Nest::reduce_row(const ttir::Operation& op, Stream& out) {
  std::vector<MaskAt> masks;
  std::set<std::string> seen;
  analysing_ = true;
  for (const Value* operand : op.operands) collect_masks(operand, coordinates_, &masks, &seen);
  analysing_ = false;
  Live live = live_part(masks, {});
  const std::optional<std::string> start = neutral(op);
  live.stop = idle_from(op, live, out);
  if (live.full.empty()) live.full = live.stop;  // where strips need no mask, they end there all the same
  int copies = start ? choose_copies({op.operands.begin(), op.operands.end()}, 8) : 1;
  while (copies > 1 && static_cast<int64_t>(copies) * lanes_ > loops_[vector_loop_].extent) copies /= 2;
  const std::optional<std::string> extreme = extreme_of_numbers(op);
  if (!extreme) return reduce_strips(op, live, start, copies, out);

  // Note [Extremes of numbers]
  // A maximum that ignores NaN is one instruction where the maximum so far is known to be a number, and three
  // elsewhere. So it starts at -infinity; when that is what it ends with, the row may have held nothing but NaN, and is
  // reduced again with care.
  only_numbers_ = true;
  const std::string quick = reduce_strips(op, live, extreme, copies, out)[0];
  only_numbers_ = false;
  const Type element = op.operands[0]->type.element();
  const std::string doubtful = ops_.compare("fcmp", "oeq", element, quick, *extreme, 1, out);
  const std::string from = out.label;
  const std::string again = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out.line("br i1 " + doubtful + ", label %" + again + ", label %" + join);
  out.open(again);
  const std::string careful = reduce_strips(op, live, start, 1, out)[0];
  const std::string careful_from = out.label;
  out.line("br label %" + join);
  out.open(join);
  const std::string result = module_.fresh();
  out.line(result + " = phi " + llvm_type(element, 1) + " [ " + quick + ", %" + from + " ], [ " + careful + ", %" +
           careful_from + " ]");
  return {result};
}

// What Note [Extremes of numbers] starts at, for the reductions that it is about.
std::optional<std::string> Nest::extreme_of_numbers(const ttir::Operation& op) const {
  const Scalar scalar = op.operands[0]->type.scalar;
  const Op step = op.regions[0]->entry().operations[0]->op;
  if (mode_ == Mode::kExact || !neutral(op) || (scalar != Scalar::kF32 && scalar != Scalar::kF64)) return std::nullopt;
  if (step == Op::kMaxNumF) return llvm_float(-HUGE_VAL, scalar);
  if (step == Op::kMinNumF) return llvm_float(HUGE_VAL, scalar);
  return std::nullopt;
}

// `start`: what each accumulator starts with; else it is the first strip.
std::vector<std::string> Nest::reduce_strips(const ttir::Operation& op, const Live& live,
                                             const std::optional<std::string>& start, int copies, Stream& out) {
  const size_t columns = op.operands.size();
  auto values_at = [&](int copy) {
    std::vector<std::string> values;
    copy_ = copy;
    for (const Value* operand : op.operands)
      values.push_back(widen(value(operand, coordinates_, copy), operand->type.element()).text);
    copy_ = 0;
    return values;
  };
  std::vector<Carried> carried;
  int64_t from = 0;
  if (start) {
    const Type element = op.operands[0]->type.element();
    for (int copy = 0; copy < copies; ++copy) {
      carried.push_back({llvm_type(element, lanes_), splat_constant(*start, element.scalar, false, lanes_)});
    }
  } else {  // the first strip is what to start with
    const std::string entry = module_.fresh_label();
    out.line("br label %" + entry);
    Stream first;
    first.open(entry);
    loops_[vector_loop_].position = "0";
    streams_[vector_loop_ + 1] = &first;
    forget_lanes();
    const std::vector<std::string> values = values_at(0);
    for (size_t i = 0; i < columns; ++i)
      carried.push_back({llvm_type(op.operands[i]->type.element(), lanes_), values[i]});
    out.text += first.text;
    out.label = first.label;
    from = lanes_;
  }
  vector_loop(out, live, from, copies, &carried, [&](int count) {
    Stream& inner = stream(static_cast<int>(loops_.size()));
    side_by_side(count, [&](int copy) {
      std::vector<std::string> before;
      const size_t first = static_cast<size_t>(copy) * columns;
      for (size_t i = 0; i < columns; ++i) before.push_back(carried[first + i].current);
      const std::vector<std::string> values = values_at(copy);
      // With the new value first: the code generator tests the first operand of a maximum for NaN, which then does not
      // wait for the last strip.
      const std::vector<std::string> after =
          start ? combine(op, values, before, lanes_, inner) : combine(op, before, values, lanes_, inner);
      for (size_t i = 0; i < columns; ++i) carried[first + i].current = after[i];
    });
  });
  for (int count = copies; count > 1; count /= 2) {  // pairs of accumulators
    for (int copy = 0; copy < count / 2; ++copy) {
      carried[static_cast<size_t>(copy)].current =
          combine(op, {carried[static_cast<size_t>(copy)].current},
                  {carried[static_cast<size_t>(copy + count / 2)].current}, lanes_, out)[0];
    }
  }
  std::vector<std::string> values;
  for (size_t i = 0; i < columns; ++i) values.push_back(carried[i].current);
  return fold_lanes(op, values, lanes_, out);
}

// Strips of the last dimension; the reduced one is the innermost loop.
void Nest::reduce_columns(const ttir::Operation& op, const std::vector<int64_t>& slots, const Coordinates& result_at,
                          Stream& out) {
  const size_t columns = op.operands.size();
  const size_t axis_loop = loops_.size() - 1;
  const std::optional<std::string> start = neutral(op);
  const int copies = choose_copies({op.operands.begin(), op.operands.end()});
  std::vector<Carried> none;
  vector_loop(out, {}, 0, copies, &none, [&](int count) {
    Stream& head = stream(static_cast<int>(axis_loop));
    std::vector<Carried> carried;
    auto values_at = [&](int copy) {
      std::vector<std::string> values;
      copy_ = copy;
      for (const Value* operand : op.operands)
        values.push_back(widen(value(operand, coordinates_, copy), operand->type.element()).text);
      copy_ = 0;
      return values;
    };
    int64_t from = 0;
    if (!start) {  // the first row is what to start with
      loops_[axis_loop].position = "0";
      streams_[axis_loop + 1] = &head;
      from = 1;
    }
    for (int copy = 0; copy < count; ++copy) {
      const std::vector<std::string> values = start ? std::vector<std::string>{} : values_at(copy);
      for (size_t i = 0; i < columns; ++i) {
        const Type element = op.operands[i]->type.element();
        carried.push_back(
            {llvm_type(element, lanes_), start ? splat_constant(*start, element.scalar, false, lanes_) : values[i]});
      }
    }
    if (!start) forget_inside(axis_loop);
    nested(head, [&](Stream& inner) {
      if (from < loops_[axis_loop].extent) {
        scalar_loop(axis_loop, inner, &carried, from, [&](Stream& body) {
          for (int copy = 0; copy < count; ++copy) {
            const size_t first = static_cast<size_t>(copy) * columns;
            std::vector<std::string> before;
            for (size_t i = 0; i < columns; ++i) before.push_back(carried[first + i].current);
            const std::vector<std::string> after = combine(op, before, values_at(copy), lanes_, body);
            for (size_t i = 0; i < columns; ++i) carried[first + i].current = after[i];
          }
        });
      }
      for (int copy = 0; copy < count; ++copy) {
        for (size_t i = 0; i < columns; ++i) {
          put(op.results[i], slots[i], result_at, copy, carried[static_cast<size_t>(copy) * columns + i].current,
              lanes_, inner);
        }
      }
    });
  });
}

// Writes `text` to the arena's block at a linear position, in `out`, where all loops of the position are open.
void Nest::put(const Value* block, int64_t slot, const Coordinates& at, int copy, const std::string& text, int width,
               Stream& out) {
  const Type element = block->type.element();
  const Type memory = memory_type(element);
  const Index flat = arena_index(block, slot, at);
  std::string offset = std::to_string(flat.constant + flat.coefficients[vector_loop_] * copy * lanes_);
  const Type index = Type::of(Scalar::kI64);
  for (size_t l = 0; l < loops_.size(); ++l) {
    if (flat.coefficients[l] == 0) continue;
    std::string part = loops_[l].position;
    if (flat.coefficients[l] != 1) part = ops_.binary("mul", index, part, std::to_string(flat.coefficients[l]), 1, out);
    offset = ops_.binary("add", index, part, offset, 1, out);
  }
  const std::string base = module_.fresh();
  out.line(base + " = getelementptr i8, ptr %scratch, i64 " + std::to_string(slot));
  const std::string place = module_.fresh();
  out.line(place + " = getelementptr " + llvm_type(memory, 1) + ", ptr " + base + ", i64 " + offset);
  const std::string data = as_memory(element, text, width, out);
  if (const int64_t step = flat.coefficients[vector_loop_]; width > 1 && step != 1) {
    const std::string places = module_.fresh();
    out.line(places + " = getelementptr " + llvm_type(memory, 1) + ", ptr " + place +
             formatted(", <%d x i64> ", width) + lane_multiples(width, "i64", step));
    masked_memory("scatter", memory, width, places, splat_constant("true", Scalar::kI1, false, width), data, out);
    return;
  }
  out.line("store " + llvm_type(memory, width) + " " + data + ", ptr " + place + ", align " +
           std::to_string(ttir::bytes_of(memory.scalar)));
}

std::vector<std::string> Nest::reduce(const ttir::Operation& op, const std::vector<int64_t>& slots, size_t fastest) {
  const std::vector<int64_t>& shape = op.operands[0]->type.shape;
  const auto axis = static_cast<size_t>(op.integer("axis"));
  const AxisLoops along = loops_along(shape, axis, fastest);
  make_loops(shape, along.order, along.vector_dimension);
  Coordinates result_at = coordinates_;
  result_at.erase(result_at.begin() + static_cast<int64_t>(axis));

  // Little work on much memory: see Note [Streams].
  const bool light = strip_work({op.operands.begin(), op.operands.end()}) <= kLight;
  if (along.rows && light && neutral(op) && ttir::bits_of(op.operands[0]->type.scalar) == 32) narrow(4);

  analysing_ = false;
  std::vector<std::string> scalars;
  auto strips = [&](Stream& at) {
    if (!along.rows) return reduce_columns(op, slots, result_at, at);
    const std::vector<std::string> values = reduce_row(op, at);
    if (!op.results[0]->type.tensor) {
      scalars = values;
      return;
    }
    for (size_t i = 0; i < values.size(); ++i) put(op.results[i], slots[i], result_at, 0, values[i], 1, at);
  };
  entry_ = module_.fresh_label();
  body_.open(entry_);
  outer_loops(body_, strips);
  return scalars;
}

}  // namespace fl::compiler
