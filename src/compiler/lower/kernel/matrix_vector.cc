// A matrix times a vector, written as a sum along the rows of a product with a broadcast row: tl.sum(a * b[None, :],
// 1).
//
// With long rows it is bound by memory, and a nest, which goes through one row after the other, reads a single stream.
// Where both lie in memory as they are multiplied, in f32, dot/row.cc reads several rows side by side: 1.3 to 1.5 times
// the bytes a second on Zen 4. With 16-bit elements to be widened it is the nest that is faster. What cannot be taken,
// mostly the last rows of a matrix, is left to the nest that follows.

#include "compiler/lower/dot/code.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;
using ttir::Value;

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);
constexpr int64_t kLongRow = 1024;  // elements; shorter ones are found in a cache
constexpr int64_t kRowsAtOnce = 4;

bool adds_floats(const Operation& reduce) {
  const ttir::Block& body = reduce.regions[0]->entry();
  if (body.operations.size() != 2 || body.operations[0]->op != Op::kAddF) return false;
  const Operation& step = *body.operations[0];
  return step.operands[0] != step.operands[1] && step.operands[0]->owner == &body && step.operands[1]->owner == &body &&
         body.operations[1]->operands[0] == step.result();
}

// What is spread out over the rows.
const Value* vector_of(const Value* spread) {
  while (spread->producer != nullptr &&
         (spread->producer->op == Op::kBroadcast || spread->producer->op == Op::kExpandDims))
    spread = spread->producer->operands[0];
  return spread;
}

}  // namespace

// Writes the result to its slot where it can, and goes on where it cannot: the label to go to from there, or "" where
// there is nothing of that kind.
std::string Kernel::begin_matrix_vector(const Operation& op, const std::vector<int64_t>& slots) {
  if (op.operands.size() != 1 || op.integer("axis") != 1 || !adds_floats(op)) return "";
  const Value* products = op.operands[0];
  const std::vector<int64_t>& shape = products->type.shape;
  const bool fits = shape.size() == 2 && shape[0] % kRowsAtOnce == 0 && shape[1] >= kLongRow;
  if (!fits || products->type.element() != Type::of(Scalar::kF32) || products->producer == nullptr ||
      products->producer->op != Op::kMulF || shared_.slots.contains(products)) {
    return "";
  }
  for (size_t own : {size_t{0}, size_t{1}}) {
    const Value* spread = products->producer->operands[1 - own];
    if (spread->producer == nullptr || spread->producer->op != Op::kBroadcast) continue;
    const Value* matrix = products->producer->operands[own];
    const Value* vector = vector_of(spread);
    if (vector->type.shape != std::vector<int64_t>{shape[1]} || !is_plain_load(vector) ||
        shared_.slots.contains(vector)) {
      continue;
    }
    const std::optional<InPlace> rows = lies_in_place(matrix, 0, std::to_string(shape[0]));
    if (!rows || !rows->along_k) continue;
    const std::optional<InPlace> factor = vector_in_place(vector);
    if (!factor) continue;
    const std::string row = module_.fresh_label();
    const std::string nest = module_.fresh_label();
    const std::string join = module_.fresh_label();
    const std::string holds = shared_.ops.binary("and", kI1, rows->holds, factor->holds, 1, *out_);
    out_->line("br i1 " + holds + ", label %" + row + ", label %" + nest);
    out_->open(row);
    const std::string left = pointer_to(factor->base);
    const std::string right = pointer_to(rows->base);
    const std::string sums = arena_pointer(slots[0]);
    out_->line("call void " + row_function(module_, shared_.ops, Scalar::kF32, target_.lanes, false) + "(ptr " + left +
               ", ptr " + right + ", i64 " + rows->pitch + ", ptr " + sums + ", i64 " + std::to_string(shape[1]) +
               ", i64 " + std::to_string(shape[0]) + ", i1 true)");
    out_->line("br label %" + join);
    out_->open(nest);
    return join;
  }
  return "";
}

// The same of a block of one dimension.
std::optional<InPlace> Kernel::vector_in_place(const Value* block) {
  const Operation& load = *block->producer;
  Nest nest(shared_, Nest::Mode::kFast);
  loops_over(&nest, block->type.shape);
  nest.before().label = out_->label;
  const std::optional<Nest::Strided> place = nest.strided(load.operands[0]);
  if (!place || place->strides.size() != 1 || !place->strides[0].is(ttir::bytes_of(block->type.scalar)))
    return std::nullopt;
  std::vector<std::string> counts(1);
  bool exactly = true;
  if (load.operands.size() > 1) counts = nest.live_counts({load.operands[1]}, &exactly);
  if (!exactly) return std::nullopt;
  out_->text += nest.before().text;
  out_->label = nest.before().label;
  InPlace in_place{place->base, "0", "true", "", true};
  for (const std::string& guard : nest.guards())
    in_place.holds = shared_.ops.binary("and", kI1, in_place.holds, guard, 1, *out_);
  if (counts[0].empty()) return in_place;
  const std::string extent = std::to_string(block->type.shape[0]);
  const std::string all = shared_.ops.compare("icmp", "sge", kI64, counts[0], extent, 1, *out_);
  in_place.holds = shared_.ops.binary("and", kI1, in_place.holds, all, 1, *out_);
  return in_place;
}

}  // namespace fl::compiler
