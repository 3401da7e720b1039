// What will be read later is asked for, where the CPU does not foresee it and there is time for it.

#include <cstdlib>

#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

constexpr int64_t kCacheLine = 64;

// The scalar pointer that a block of addresses starts from.
const Value* base_of(const Value* address) {
  while (address->type.tensor && address->producer != nullptr && !address->producer->operands.empty())
    address = address->producer->operands[0];
  return address;
}

}  // namespace

void Nest::prefetch_at(const std::string& pointer, const Term& distance, Stream& out) {
  const std::string later = module_.fresh();
  out.line(later + " = getelementptr i8, ptr " + pointer + ", i64 " + distance.text());
  module_.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)");
  out.line("call void @llvm.prefetch.p0(ptr " + later + ", i32 0, i32 3, i32 1)");
}

// Of a contiguous strip that has been loaded from `pointer`.
void Nest::prefetch(const ttir::Operation& load, const Form& form, int64_t size, const std::string& pointer, int copy,
                    Stream& out) {
  if (mode_ == Mode::kExact || copy * lanes_ * size % kCacheLine != 0) return;
  if (run_) return prefetch_runs(form, pointer, out);
  loops_.size() > 1 ? prefetch_rows(form, size, pointer, out) : prefetch_next(load, size, pointer, out);
}

// Runs that lie far apart, at a stride: the CPU sees nothing in them either. A permuted copy of 2048 x 2048 takes 0.63
// of the time; in the second cache it would take 1.3 (Zen 4). What is asked for beyond the end of a larger quotient is
// not needed; that is one in many.
void Nest::prefetch_runs(const Form& form, const std::string& pointer, Stream& out) {
  constexpr int64_t kAhead = 8;                    // runs
  constexpr int64_t kLongestRun = 512;             // positions
  constexpr int64_t kCached = int64_t{512} << 10;  // bytes
  if (run_->divisor > kLongestRun) return;
  for (const auto& [position, c] : form.computed) {
    if (!turns_each_run(computed_[position])) continue;
    if (!c.known || std::abs(c.value) <= 2 * kCacheLine) return;
    const Term& high = computed_[position].high;
    if (high.known && high.value * std::abs(c.value) < kCached) return;
    return prefetch_at(pointer, multiply(c, {true, kAhead, ""}), out);
  }
}

// Pieces of rows that are far apart in memory are nothing that the CPU could foresee: a sum of 4096 x 1024 over the
// first axis, 64 columns at a time, takes 1.6 times as long without this (Zen 4). Where the kernel loops on over rows,
// or this nest does, what is read rows later is asked for.
void Nest::prefetch_rows(const Form& form, int64_t size, const std::string& pointer, Stream& out) {
  constexpr int64_t kLongestPiece = 2048;      // bytes of a row; longer ones the CPU sees by itself
  const int64_t ahead = turned_ ? lanes_ : 8;  // rows; 4 to 16 are alike, and a square of them is read at once
  if (loops_[vector_loop_].extent * size > kLongestPiece) return;
  const size_t row = vector_loop_ + 1 < loops_.size() ? loops_.size() - 1 : vector_loop_ - 1;
  const Term& step = form.coefficients[row];
  if (shared_.loops == 0 && loops_[row].extent < 2 * ahead) return;
  if (step.known && std::abs(step.value) <= kLongestPiece) return;
  prefetch_at(pointer, multiply(step, {true, ahead, ""}), out);
}

// A whole row by each program: while this one computes exponentials, the memory is idle, and the next program's row can
// come. A softmax of 4096 x 4096 takes 0.88 of the time (Zen 4); a layer norm has no time to spare and takes 1.2.
// One nest asks: a looped softmax whose storing pass asks again waits for its own writes, and takes 1.12.
void Nest::prefetch_next(const ttir::Operation& load, int64_t size, const std::string& pointer, Stream& out) {
  constexpr int64_t kShortestRow = 512;  // bytes
  if (!elementary_ || loops_[0].extent * size < kShortestRow) return;
  const std::optional<Term> distance = advance(load.operands[0]);
  if (!distance || distance->is(0)) return;
  if (distance->known && std::abs(distance->value) <= loops_[0].extent * size) return;  // the CPU sees that
  if (shared_.fetched.try_emplace(base_of(load.operands[0]), entry_).first->second != entry_) return;
  prefetch_at(pointer, *distance, out);
}

// By how much a number, or each element of a block, grows from one program to the next: in bytes for pointers. Nothing
// where that is not known. What goes round a loop is taken to do the same in both.
std::optional<Term> Nest::advance(const Value* value) {
  const Term still{true, 0, ""};
  if (value->producer == nullptr) return value->type.tensor ? std::nullopt : std::optional<Term>(still);
  if (shared_.slots.contains(value)) return std::nullopt;
  const ttir::Operation& op = *value->producer;
  switch (op.op) {
    case Op::kConstant:
    case Op::kMakeRange:
    case Op::kNumPrograms:
      return still;
    case Op::kProgramId:
      return Term{true, op.word("axis") == "x" ? 1 : 0, ""};
    case Op::kSplat:
    case Op::kExpandDims:
    case Op::kBroadcast:
    case Op::kExtSI:
      return advance(op.operands[0]);
    case Op::kAddI:
    case Op::kSubI:
    case Op::kAddPtr: {
      const std::optional<Term> a = advance(op.operands[0]);
      std::optional<Term> b = advance(op.operands[1]);
      if (!a || !b) return std::nullopt;
      if (op.op == Op::kAddPtr) b = multiply(*b, {true, ttir::bytes_of(value->type.scalar), ""});
      return op.op == Op::kSubI ? subtract(*a, *b) : add(*a, *b);
    }
    case Op::kMulI: {
      const std::optional<Term> a = advance(op.operands[0]);
      const std::optional<Term> b = advance(op.operands[1]);
      if (!a || !b || (!a->is(0) && !b->is(0))) return std::nullopt;
      if (a->is(0) && b->is(0)) return still;
      const Value* factor = op.operands[a->is(0) ? 0 : 1];
      if (factor->type.tensor) return std::nullopt;
      const std::optional<Form> form = affine(factor, {});
      return form ? std::optional<Term>(multiply(a->is(0) ? *b : *a, form->base)) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace fl::compiler
