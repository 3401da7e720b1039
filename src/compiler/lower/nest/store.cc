// Stores of a strip: to memory, to the arena, one lane after the other.

#include <algorithm>

#include "base/text.h"
#include "compiler/lower/instructions/atomics.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI1 = Type::of(Scalar::kI1);

}  // namespace

void Nest::store(const Sink& sink, const Coordinates& at, int copy, std::vector<Strip>* whole) {
  const Value* stored_value = sink.store != nullptr ? sink.store->operands[1] : sink.value;
  const int innermost = static_cast<int>(loops_.size());
  Stream& out = stream(innermost);
  Piece piece = value(stored_value, at, copy);
  Type element = stored_value->type.element();
  if (sink.as && *sink.as != element.scalar) {
    const Type wide = Type::of(*sink.as);
    Stream& where = stream(piece.level);
    piece.text = wide.holds_float() ? ops_.cast_float(element, wide, piece.text, piece.width, where)
                                    : ops_.convert("sext", element, wide, piece.text, piece.width, where);
    element = wide;
  }
  const Type memory = memory_type(element);
  if (sink.place != nullptr) {
    Form form{{false, 0, sink.place->base}, {}};
    for (int64_t stride : sink.place->strides) form.coefficients.push_back({true, stride, ""});
    return to_arena(form, memory, as_memory(element, widen(piece, element).text, lanes_, out), copy);
  }
  if (sink.store == nullptr) {
    const Form form = slot_form(stored_value, sink.slot, ttir::bytes_of(memory.scalar), at);
    const std::string text = as_memory(element, widen(piece, element).text, lanes_, out);
    return to_arena(form, memory, text, copy);
  }
  const ttir::Operation& op = *sink.store;
  Mask on = mask(op.operands.size() > 2 ? op.operands[2] : nullptr, at, copy);
  if (!run_to_.empty()) on = both(on, {false, run_mask()});
  const std::optional<Form> form = affine(op.operands[0], at);
  note_access(op, form);
  const std::string text = as_memory(element, widen(piece, element).text, lanes_, out);
  const int64_t size = ttir::bytes_of(memory.scalar);
  const std::string bits = on.all ? splat_constant("true", Scalar::kI1, false, lanes_) : widen(on.piece, kI1).text;
  if (form && (lanes_ == 1 || lane_step(*form).is(size))) {
    const Piece place = address(*form, copy);
    if (on.all) {
      whole->push_back({memory, text, place.text});
    } else if (lanes_ > 1) {
      masked_memory("store", element, lanes_, place.text, bits, text, out);
    } else {
      const std::string vector = module_.fresh();
      out.line(vector + " = insertelement <1 x " + llvm_type(memory, 1) + "> poison, " + llvm_type(memory, 1) + " " +
               text + ", i32 0");
      const std::string bit = module_.fresh();
      out.line(bit + " = insertelement <1 x i1> poison, i1 " + bits + ", i32 0");
      masked_memory("store", element, 1, place.text, bit, vector, out);
    }
    return;
  }
  Piece pointers = addresses(op.operands[0], at, copy);
  if (pointers.width == 1 && lanes_ > 1) {  // all lanes write one element; the last one that is on stays
    const std::string first = module_.fresh();
    out.line(first + formatted(" = insertelement <%d x ptr> poison, ptr ", lanes_) + pointers.text + ", i32 0");
    const std::string all = module_.fresh();
    out.line(all + formatted(" = shufflevector <%d x ptr> %s, <%d x ptr> poison, <%d x i32> zeroinitializer", lanes_,
                             first.c_str(), lanes_, lanes_));
    pointers.text = all;
  }
  if (lanes_ == 1) {
    std::string one = module_.fresh();
    out.line(one + " = insertelement <1 x " + llvm_type(memory, 1) + "> poison, " + llvm_type(memory, 1) + " " + text +
             ", i32 0");
    const std::string bit = module_.fresh();
    out.line(bit + " = insertelement <1 x i1> poison, i1 " + bits + ", i32 0");
    masked_memory("store", element, 1, pointers.text, bit, one, out);
    return;
  }
  masked_memory("scatter", element, lanes_, pointers.text, bits, text, out);
}

// A strip, of the type that it has in memory, to a place of the arena that is known before the nest.
void Nest::to_arena(const Form& form, const Type& memory, const std::string& text, int copy) {
  Stream& out = stream(static_cast<int>(loops_.size()));
  const Piece place = address(form, copy);
  const int64_t step = form.coefficients[vector_loop_].value;
  const int64_t size = ttir::bytes_of(memory.scalar);
  if (!run_to_.empty()) {
    masked_memory("store", memory, lanes_, place.text, run_mask().text, text, out);
    return;
  }
  if (step == size || lanes_ == 1) {
    out.line("store " + llvm_type(memory, lanes_) + " " + text + ", ptr " + place.text + ", align " +
             std::to_string(size));
    return;
  }
  const std::string places = module_.fresh();
  out.line(places + " = getelementptr i8, ptr " + place.text + formatted(", <%d x i64> ", lanes_) +
           lane_multiples(lanes_, "i64", step));
  masked_memory("scatter", memory, lanes_, places, splat_constant("true", Scalar::kI1, false, lanes_), text, out);
}

// One lane at a time: the nest of an atomic has strips of one.
void Nest::atomic(const Sink& sink, const Coordinates& at) {
  const ttir::Operation& op = *sink.atomic;
  const size_t values = op.op == Op::kAtomicCas ? 3 : 2;
  Stream& out = stream(static_cast<int>(loops_.size()));
  std::vector<std::string> operands;
  for (size_t i = 0; i < values; ++i) operands.push_back(value(op.operands[i], at, copy_).text);
  std::string on;
  if (op.operands.size() > values) {
    const Mask bits = mask(op.operands[values], at, copy_);
    if (!bits.all) on = bits.piece.text;
  }
  const std::string old = atomic_element(module_, ops_, op, operands, on, out);
  if (sink.slot >= 0) put(op.result(), sink.slot, at, copy_, old, 1, out);
}

}  // namespace fl::compiler
