// The value of a block at the strip being written: computed from its operands there, loaded, or read from the arena.

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "compiler/lower/instructions/atomics.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI1 = Type::of(Scalar::kI1);
const Type kI8 = Type::of(Scalar::kI8);
const Type kI16 = Type::of(Scalar::kI16);
const Type kI32 = Type::of(Scalar::kI32);
const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

// ---- Types in memory: a bit takes a byte, floats of 16 bits travel as integers, which every CPU can mask.

Type Nest::memory_type(const Type& element) {
  if (element.pointer) return kI64;
  if (element.scalar == Scalar::kI1) return kI8;
  if (element.holds_float() && ttir::bits_of(element.scalar) == 16) return kI16;
  if (element.holds_float() && ttir::bits_of(element.scalar) == 8) return kI8;
  return element;
}

std::string Nest::as_memory(const Type& element, const std::string& value, int width, Stream& out) {
  if (element.pointer) return value;
  if (element.scalar == Scalar::kI1) return ops_.convert("zext", kI1, kI8, value, width, out);
  if (llvm_type(memory_type(element), 1) == llvm_type(element, 1)) return value;
  return ops_.convert("bitcast", element, kI16, value, width, out);
}

std::string Nest::from_memory(const Type& element, const std::string& value, int width, Stream& out) {
  if (element.pointer) return value;
  if (element.scalar == Scalar::kI1)
    return ops_.compare("icmp", "ne", kI8, value, ops_.integer(0, Scalar::kI8, width), width, out);
  if (llvm_type(memory_type(element), 1) == llvm_type(element, 1)) return value;
  return ops_.convert("bitcast", kI16, element, value, width, out);
}

// ---- Masks

Nest::Mask Nest::mask(const Value* value_of_mask, const Coordinates& at, int copy) {
  if (value_of_mask == nullptr || is_assumed(value_of_mask, at)) return {};
  const Piece piece = value(value_of_mask, at, copy);
  if (piece.text == "true") return {};
  return {false, piece};
}

Nest::Mask Nest::both(const Mask& a, const Mask& b) {
  if (a.all) return b;
  if (b.all) return a;
  const int width = std::max(a.piece.width, b.piece.width);
  const int level = std::max(a.piece.level, b.piece.level);
  auto bits = [&](const Piece& piece) { return width == 1 ? piece.text : widen(piece, kI1).text; };
  const std::string first = bits(a.piece);
  const std::string second = bits(b.piece);
  return {false, {ops_.binary("and", kI1, first, second, width, stream(level)), width, level}};
}

Piece Nest::widen(const Piece& piece, const Type& element) {
  if (piece.width > 1 || lanes_ == 1) return piece;
  if (is_constant(piece.text))
    return {splat_constant(piece.text, element.scalar, element.pointer, lanes_), lanes_, piece.level};
  const std::string name = formatted("splat %d ", lanes_) + piece.text;
  auto [known, added] = pieces_.try_emplace(name);
  if (added) {
    Stream& out = stream(piece.level);
    const std::string type = llvm_type(element, lanes_);
    const std::string first = module_.fresh();
    out.line(first + " = insertelement " + type + " poison, " + llvm_type(element, 1) + " " + piece.text + ", i32 0");
    const std::string all = module_.fresh();
    out.line(all + " = shufflevector " + type + " " + first + ", " + type +
             formatted(" poison, <%d x i32> zeroinitializer", lanes_));
    known->second = {all, lanes_, piece.level};
  }
  return known->second;
}

// ---- Loads

Piece Nest::load(const ttir::Operation& op, const Coordinates& at, int copy) {
  const Value* pointer = op.operands[0];
  const Type element = op.result()->type.element();
  const Type memory = memory_type(element);
  Mask on = mask(op.operands.size() > 1 ? op.operands[1] : nullptr, at, copy);
  const bool assumed = op.operands.size() > 1 && on.all && is_assumed(op.operands[1], at);
  Piece other{element.pointer ? "0" : llvm_constant(0, element.scalar), 1, 0};
  if (op.operands.size() > 2) other = value(op.operands[2], at, copy);
  const std::optional<Form> form = affine(pointer, at);
  note_access(op, form);

  Piece address_piece;
  bool contiguous = false;
  bool reversed = false;
  if (form && (lanes_ == 1 || !holds_vector(*form))) {
    address_piece = address(*form, copy);
  } else if (form && lane_step(*form).is(ttir::bytes_of(memory.scalar))) {
    address_piece = address(*form, copy);
    contiguous = true;
  } else if (form && lane_step(*form).is(-ttir::bytes_of(memory.scalar))) {
    Form last = *form;
    last.base = add(last.base, {true, -(lanes_ - 1) * ttir::bytes_of(memory.scalar), ""});
    address_piece = address(last, copy);
    contiguous = reversed = true;
  } else {
    address_piece = addresses(pointer, at, copy);
  }
  if (form && live_ == nullptr) {
    for (const auto& [position, c] : form->computed) {
      for (const MaskAt& under : computed_[position].masks) on = both(on, mask(under.first, under.second, copy));
    }
  }
  const bool varies = lanes_ > 1 && (contiguous || address_piece.width > 1);
  if (!run_to_.empty() && (varies || (!on.all && on.piece.width > 1))) on = both(on, {false, run_mask()});
  if (varies && live_ == nullptr && !whole_ && beyond_restriction()) on = both(on, {false, restriction_mask(copy)});
  int level = std::max(address_piece.level, on.all ? 0 : std::max(on.piece.level, other.level));
  if (assumed) level = std::max(level, static_cast<int>(vector_loop_) + 1);
  Stream& out = stream(level);
  const int width = contiguous || address_piece.width > 1 || (!on.all && on.piece.width > 1) ? lanes_ : 1;
  auto lanes_of = [&](const Piece& piece, const Type& type) {
    return width == 1 ? piece.text : widen(piece, type).text;
  };
  const std::string alignment = ", align " + std::to_string(ttir::bytes_of(memory.scalar));
  auto reverse = [&](const std::string& vector, const Type& type) {
    std::string order = formatted("<%d x i32> <", lanes_);
    for (int i = 0; i < lanes_; ++i) order += (i > 0 ? ", i32 " : "i32 ") + std::to_string(lanes_ - 1 - i);
    const std::string name = module_.fresh();
    out.line(name + " = shufflevector " + llvm_type(type, lanes_) + " " + vector + ", " + llvm_type(type, lanes_) +
             " poison, " + order + ">");
    return name;
  };

  std::string loaded;
  if (on.all && (contiguous || address_piece.width == 1)) {
    loaded = module_.fresh();
    const int loaded_width = contiguous ? lanes_ : 1;
    out.line(loaded + " = load " + llvm_type(memory, loaded_width) + ", ptr " + address_piece.text + alignment);
    if (reversed) loaded = reverse(loaded, memory);
    if (contiguous && !reversed) prefetch(op, *form, ttir::bytes_of(memory.scalar), address_piece.text, copy, out);
    const std::string result = from_memory(element, loaded, loaded_width, out);
    return {result, loaded_width, level};
  }
  const std::string passed = as_memory(element, lanes_of(other, element), width, out);
  if (on.all) {
    loaded = masked_memory("gather", element, lanes_, address_piece.text,
                           splat_constant("true", Scalar::kI1, false, lanes_), passed, out);
  } else if (width == 1) {  // one address, one bit: a branch-free load of a single element
    const std::string bit = module_.fresh();
    out.line(bit + " = insertelement <1 x i1> poison, i1 " + on.piece.text + ", i32 0");
    const std::string otherwise = module_.fresh();
    out.line(otherwise + " = insertelement <1 x " + llvm_type(memory, 1) + "> poison, " + llvm_type(memory, 1) + " " +
             passed + ", i32 0");
    const std::string vector = masked_memory("load", element, 1, address_piece.text, bit, otherwise, out);
    loaded = module_.fresh();
    out.line(loaded + " = extractelement <1 x " + llvm_type(memory, 1) + "> " + vector + ", i32 0");
  } else {
    std::string bits = lanes_of(on.piece, kI1);
    if (contiguous && !reversed) {
      loaded = masked_memory("load", element, lanes_, address_piece.text, bits, passed, out);
    } else if (reversed) {
      loaded = reverse(
          masked_memory("load", element, lanes_, address_piece.text, reverse(bits, kI1), reverse(passed, memory), out),
          memory);
    } else {
      std::string pointers = address_piece.text;
      if (address_piece.width == 1) {  // one address for all lanes that are on
        const std::string first = module_.fresh();
        out.line(first + formatted(" = insertelement <%d x ptr> poison, ptr ", lanes_) + pointers + ", i32 0");
        pointers = module_.fresh();
        out.line(pointers + formatted(" = shufflevector <%d x ptr> %s, <%d x ptr> poison, <%d x i32> zeroinitializer",
                                      lanes_, first.c_str(), lanes_, lanes_));
      }
      loaded = masked_memory("gather", element, lanes_, pointers, bits, passed, out);
    }
  }
  return {from_memory(element, loaded, width, out), width, level};
}

// A block in the arena.
Piece Nest::stored(const Value* block, int64_t slot, const Coordinates& at, int copy) {
  const Type element = block->type.element();
  const Type memory = memory_type(element);
  const int64_t size = ttir::bytes_of(memory.scalar);
  const bool linear = std::all_of(at.begin(), at.end(), [](const Index& i) { return is_linear(i); });
  if (linear) {
    const Form form = slot_form(block, slot, size, at);
    const int64_t step = form.coefficients[vector_loop_].value;
    if (step == 0 || step == size) {
      const Piece place = address(form, copy);
      Stream& out = stream(place.level);
      const int width = step == 0 ? 1 : lanes_;
      const std::string loaded = module_.fresh();
      out.line(loaded + " = load " + llvm_type(memory, width) + ", ptr " + place.text + ", align " +
               std::to_string(size));
      return {from_memory(element, loaded, width, out), width, place.level};
    }
  }
  const Piece offset = index_piece(arena_index(block, slot, at), copy);
  Stream& out = stream(offset.level);
  const std::string base = module_.fresh();
  out.line(base + " = getelementptr i8, ptr %scratch, i64 " + std::to_string(slot));
  const std::string wide = ops_.convert("zext", kI32, kI64, offset.text, offset.width, out);
  const std::string place = module_.fresh();
  out.line(place + " = getelementptr " + llvm_type(memory, 1) + ", ptr " + base + ", " + llvm_type(kI64, offset.width) +
           " " + wide);
  std::string loaded;
  if (offset.width == 1) {
    loaded = module_.fresh();
    out.line(loaded + " = load " + llvm_type(memory, 1) + ", ptr " + place + ", align " + std::to_string(size));
  } else {
    loaded = masked_memory("gather", element, lanes_, place, splat_constant("true", Scalar::kI1, false, lanes_),
                           "poison", out);
  }
  return {from_memory(element, loaded, offset.width, out), offset.width, offset.level};
}

// ---- Everything else

Piece Nest::value(const Value* block, const Coordinates& at, int copy) {
  if (!block->type.tensor) return {shared_.scalars.at(block), 1, 0};
  const std::string name = key(block, at, copy);
  if (auto known = pieces_.find(name); known != pieces_.end()) return known->second;
  const Piece piece = compute(block, at, copy);
  return pieces_[name] = piece;
}

Piece Nest::compute(const Value* block, const Coordinates& at, int copy) {
  if (auto slot = shared_.slots.find(block); slot != shared_.slots.end()) return stored(block, slot->second, at, copy);
  if (auto induction = shared_.schedule.inductions.find(block); induction != shared_.schedule.inductions.end()) {
    Piece start = value(induction->second.start, at, copy);
    Piece total{shared_.induction_total.at(block), 1, 0};
    const Type element = block->type.element();
    if (!element.pointer && element.scalar != Scalar::kI64)
      total.text = ops_.convert("trunc", kI64, element, total.text, 1, stream(0));
    if (start.width > 1) total = widen(total, element);
    const int level = std::max(start.level, total.level);
    return {ops_.binary("add", element, start.text, total.text, start.width, stream(level)), start.width, level};
  }
  const ttir::Operation& op = *block->producer;
  switch (op.op) {
    case Op::kConstant:
      return {llvm_constant(op.constant, block->type.scalar), 1, 0};
    case Op::kMakeRange: {
      Index index = at[0];
      if (is_linear(index)) {
        index.constant += op.integer("start");
        return index_piece(index, copy);
      }
      Piece piece = index_piece(index, copy);
      if (op.integer("start") == 0) return piece;
      piece.text = ops_.binary("add", kI32, piece.text, ops_.integer(op.integer("start"), Scalar::kI32, piece.width),
                               piece.width, stream(piece.level));
      return piece;
    }
    case Op::kSplat:
      return {shared_.scalars.at(op.operands[0]), 1, 0};
    case Op::kExpandDims:
    case Op::kBroadcast:
    case Op::kTrans:
    case Op::kReshape:
      return value(op.operands[0], operand_coordinates(op, 0, at), copy);
    case Op::kSplit: {
      Coordinates inner = operand_coordinates(op, 0, at);
      inner.back().constant = block->index;
      return value(op.operands[0], inner, copy);
    }
    case Op::kJoin:
    case Op::kCat: {  // the last position, or the upper half, chooses
      const bool join = op.op == Op::kJoin;
      const Index& chooser = at.back();
      const int64_t half = join ? 1 : op.operands[0]->type.shape[0];
      Piece position = index_piece(chooser, copy);
      Stream& out = stream(position.level);
      Piece upper{ops_.compare("icmp", "uge", kI32, position.text, ops_.integer(half, Scalar::kI32, position.width),
                               position.width, out),
                  position.width, position.level};
      Coordinates inner = at;
      if (join) {
        inner.pop_back();
      } else {
        inner[0] = linear_or_opaque(at[0], 1, half);
      }
      Piece first = value(op.operands[0], inner, copy);
      Piece second = value(op.operands[1], inner, copy);
      const int width = std::max({upper.width, first.width, second.width});
      const Type element = block->type.element();
      if (width > 1) {
        upper = widen(upper, kI1);
        first = widen(first, element);
        second = widen(second, element);
      }
      const int level = std::max({upper.level, first.level, second.level});
      return {ops_.select(element, upper.text, second.text, first.text, width, stream(level)), width, level};
    }
    case Op::kLoad:
      return load(op, at, copy);
    case Op::kBitcast:
      if (op.operands[0]->type.pointer) return value(op.operands[0], at, copy);
      return element(op, at, copy);
    case Op::kGather: {  // the source is stored: see schedule.cc
      Piece position = value(op.operands[1], at, copy);
      const Type type = op.operands[1]->type.element();
      Stream& out = stream(position.level);
      if (ttir::bits_of(type.scalar) > 32)
        position.text = ops_.convert("trunc", type, kI32, position.text, position.width, out);
      if (ttir::bits_of(type.scalar) < 32)
        position.text = ops_.convert("sext", type, kI32, position.text, position.width, out);
      const auto axis = static_cast<size_t>(op.integer("axis"));
      const int64_t extent = op.operands[0]->type.shape[axis];
      Coordinates inner = at;  // an index beyond the block is the kernel's mistake; it must not become a wild read
      inner[axis].opaque = ops_.binary("and", kI32, position.text,
                                       ops_.integer(extent - 1, Scalar::kI32, position.width), position.width, out);
      inner[axis].width = position.width;
      inner[axis].level = position.level;
      return stored(op.operands[0], shared_.slots.at(op.operands[0]), inner, copy);
    }
    default:
      return element(op, at, copy);
  }
}

Piece Nest::element(const ttir::Operation& op, const Coordinates& at, int copy) {
  // In the main loop a condition that is known to hold chooses by itself. The result belongs to that loop, however
  // little it depends on: the loop for the rest must not find it.
  if (op.op == Op::kSelect && op.operands[0]->type.tensor && is_assumed(op.operands[0], at)) {
    Piece chosen = value(op.operands[1], at, copy);
    chosen.level = std::max(chosen.level, static_cast<int>(vector_loop_) + 1);
    return chosen;
  }
  std::vector<Piece> pieces;
  int width = 1;
  int level = 0;
  for (const Value* operand : op.operands) {
    pieces.push_back(value(operand, operand->type.tensor ? at : Coordinates{}, copy));
    width = std::max(width, pieces.back().width);
    level = std::max(level, pieces.back().level);
  }
  if (op.op == Op::kDivF) {
    if (const std::optional<Piece> result = quotient(op, pieces[0], pieces[1])) return *result;
  }
  std::vector<std::string> operands;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (width > 1) pieces[i] = widen(pieces[i], op.operands[i]->type.element());
    operands.push_back(pieces[i].text);
  }
  return {ops_.emit(op, operands, width, stream(level)), width, level};
}

// ---- Stores

}  // namespace fl::compiler
