// Addresses of a strip, and memory under a mask.

#include <algorithm>

#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI64 = Type::of(Scalar::kI64);

std::string pointers_type(int width) { return width == 1 ? "ptr" : formatted("<%d x ptr>", width); }

}  // namespace

bool Nest::holds_vector(const Form& form) { return !lane_step(form).is(0); }

// Says how an operation's strip reaches memory, and why not in the best way.
void Nest::note_access(const ttir::Operation& op, const std::optional<Form>& form) {
  if (mode_ == Mode::kExact || shared_.report.silent()) return;
  const bool reads = op.op == Op::kLoad;
  const Type& moved = reads ? op.result()->type : op.operands[1]->type;
  const int64_t size = ttir::bytes_of(memory_type(moved.element()).scalar);
  std::string how;
  if (!form) {
    how = reads ? "gathered, since its addresses are not affine in the block's index"
                : "scattered, since its addresses are not affine in the block's index";
  } else if (lanes_ == 1) {
    how = "element by element, the nest has strips of one";
  } else if (const Term step = lane_step(*form); step.is(0)) {
    how = reads ? "one element, repeated over the strip" : "every lane to one address";
  } else if (step.is(size)) {
    how = "contiguous";
  } else if (step.is(-size) && reads) {
    how = "contiguous, reversed";
  } else if (step.known) {
    how = formatted("%s with a stride of %lld bytes along the strip", reads ? "gathered" : "scattered",
                    static_cast<long long>(step.value));
  } else {
    how = std::string(reads ? "gathered" : "scattered") + " with a stride that only the launch knows";
  }
  shared_.report.note(place_of(op) + " is " + how);
}

// The address of lane 0, in the loop where it is known; the vector loop's own part is left to `address`, so that it is
// an index of the machine's addressing modes.
Piece Nest::row_address(const Form& form) {
  std::string text = form.base.text();
  int level = 0;
  for (size_t l = 0; l < loops_.size(); ++l) {
    const Term& c = form.coefficients[l];
    if (l == vector_loop_ || c.is(0)) continue;
    level = static_cast<int>(l) + 1;
    const std::string name = "row " + text + " " + std::to_string(l) + " " + c.text();
    auto [known, added] = pieces_.try_emplace(name);
    if (added) {
      Stream& out = stream(level);
      std::string step = loops_[l].position;
      if (!c.is(1)) step = ops_.binary("mul", kI64, step, c.text(), 1, out);
      known->second = {ops_.binary("add", kI64, text, step, 1, out), 1, level};
    }
    text = known->second.text;
  }
  for (const auto& [position, c] : form.computed) {
    const Piece row = computed_row(position);
    level = std::max(level, row.level);
    const std::string name = formatted("row %s computed %zu %s", text.c_str(), position, c.text().c_str());
    auto [known, added] = pieces_.try_emplace(name);
    if (added) {
      Stream& out = stream(level);
      std::string step = row.text;
      if (!c.is(1)) step = ops_.binary("mul", kI64, step, c.text(), 1, out);
      known->second = {ops_.binary("add", kI64, text, step, 1, out), 1, level};
    }
    text = known->second.text;
  }
  const std::string name = "ptr " + text;
  auto [known, added] = pieces_.try_emplace(name);
  if (added) {
    Stream& out = stream(level);
    const std::string pointer = module_.fresh();
    out.line(pointer + " = inttoptr i64 " + text + " to ptr");
    known->second = {pointer, 1, level};
  }
  return known->second;
}

Piece Nest::address(const Form& form, int copy) {
  const Piece row = row_address(form);
  const Term c = lane_step(form);
  const Term jump = turned_ ? form.coefficients[copy_loop()] : c;
  if (c.is(0) && (jump.is(0) || copy == 0)) return row;
  const int level = c.is(0) ? row.level : std::max(row.level, static_cast<int>(vector_loop_) + 1);
  const std::string name = "lane0 " + row.text + " " + c.text() + " " + jump.text() + formatted(" %d", copy);
  auto [known, added] = pieces_.try_emplace(name);
  if (added) {
    Stream& out = stream(level);
    std::string pointer = row.text;
    if (!c.is(0)) {
      std::string step = loops_[vector_loop_].position;
      if (!c.is(1)) step = ops_.binary("mul", kI64, step, c.text(), 1, out);
      pointer = module_.fresh();
      out.line(pointer + " = getelementptr i8, ptr " + row.text + ", i64 " + step);
    }
    if (copy > 0 && !jump.is(0)) {
      std::string distance = std::to_string(jump.value * copy * copy_step());
      if (!jump.known) distance = ops_.binary("mul", kI64, jump.text(), std::to_string(copy * copy_step()), 1, out);
      const std::string moved = module_.fresh();
      out.line(moved + " = getelementptr i8, ptr " + pointer + ", i64 " + distance);
      pointer = moved;
    }
    known->second = {pointer, 1, level};
  }
  return known->second;
}

// One address a lane. base + 32-bit offsets are kept apart for the code generator, which then gathers in one
// instruction.
Piece Nest::addresses(const Value* pointer, const Coordinates& at, int copy) {
  if (const std::optional<Form> form = affine(pointer, at); form && lanes_ > 1 && holds_vector(*form)) {
    const Piece lane0 = address(*form, copy);
    const Term c = lane_step(*form);
    Stream& out = stream(lane0.level);
    std::string steps = lane_multiples(lanes_, "i64", c.known ? c.value : 1);
    if (!c.known) {
      const Piece wide = widen({c.name, 1, 0}, kI64);
      steps = ops_.binary("mul", kI64, wide.text, steps, lanes_, out);
    }
    const std::string name = module_.fresh();
    out.line(name + " = getelementptr i8, ptr " + lane0.text + formatted(", <%d x i64> ", lanes_) + steps);
    return {name, lanes_, lane0.level};
  }
  if (pointer->producer != nullptr && pointer->producer->op == Op::kAddPtr && !shared_.slots.contains(pointer) &&
      !shared_.schedule.inductions.contains(pointer)) {
    const ttir::Operation& op = *pointer->producer;
    const Piece base = value(op.operands[0], operand_coordinates(op, 0, at), copy);
    const Piece offset = value(op.operands[1], operand_coordinates(op, 1, at), copy);
    if (base.width == 1 && offset.width > 1) {
      const int level = std::max(base.level, offset.level);
      Stream& out = stream(level);
      const std::string start = module_.fresh();
      out.line(start + " = inttoptr i64 " + base.text + " to ptr");
      std::string steps = offset.text;
      const Type type = op.operands[1]->type.element();
      if (type.scalar != Scalar::kI64) steps = ops_.convert("sext", type, kI64, steps, lanes_, out);
      const Type memory = memory_type(Type::of(pointer->type.scalar));
      const std::string name = module_.fresh();
      out.line(name + " = getelementptr " + llvm_type(memory, 1) + ", ptr " + start +
               formatted(", <%d x i64> ", lanes_) + steps);
      return {name, lanes_, level};
    }
  }
  const Piece piece = value(pointer, at, copy);
  Stream& out = stream(piece.level);
  const std::string name = module_.fresh();
  out.line(name + " = inttoptr " + llvm_type(kI64, piece.width) + " " + piece.text + " to " +
           pointers_type(piece.width));
  return {name, piece.width, piece.level};
}

// llvm.masked.{load,store,gather,scatter} on memory types. `pointers` is a ptr for load and store, a vector else.
std::string Nest::masked_memory(const char* kind, const Type& element, int width, const std::string& pointers,
                                const std::string& mask_text, const std::string& value_text, Stream& out) {
  const Type memory = memory_type(element);
  const std::string type = width == 1 ? "<1 x " + llvm_type(memory, 1) + ">" : llvm_type(memory, width);
  const std::string bits = formatted("<%d x i1>", width);
  const bool many = std::string(kind) == "gather" || std::string(kind) == "scatter";
  const std::string pointer_type = many ? formatted("<%d x ptr>", width) : "ptr";
  const std::string name =
      memory.holds_float() ? std::string(ttir::name_of(memory.scalar)) : formatted("i%d", ttir::bits_of(memory.scalar));
  const std::string function =
      formatted("@llvm.masked.%s.v%d%s.%s", kind, width, name.c_str(), many ? formatted("v%dp0", width).c_str() : "p0");
  const bool reads = std::string(kind) == "load" || std::string(kind) == "gather";
  const std::string alignment = "i32 " + std::to_string(ttir::bytes_of(memory.scalar));
  if (reads) {
    module_.declare(type + " " + function + "(" + pointer_type + ", i32, " + bits + ", " + type + ")");
    const std::string result = module_.fresh();
    out.line(result + " = call " + type + " " + function + "(" + pointer_type + " " + pointers + ", " + alignment +
             ", " + bits + " " + mask_text + ", " + type + " " + value_text + ")");
    return result;
  }
  module_.declare("void " + function + "(" + type + ", " + pointer_type + ", i32, " + bits + ")");
  out.line("call void " + function + "(" + type + " " + value_text + ", " + pointer_type + " " + pointers + ", " +
           alignment + ", " + bits + " " + mask_text + ")");
  return "";
}

}  // namespace fl::compiler
