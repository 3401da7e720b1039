#include "compiler/lower/dot/plan.h"

#include <algorithm>

namespace fl::compiler {
namespace {

using ttir::Type;

// Of a row of the left factor: with it and 32 columns of the right one a chunk stays within the second cache.
constexpr int64_t kChunkBytes = 2048;

bool both(const ttir::Operation& dot, Scalar scalar) {
  return dot.operands[0]->type.scalar == scalar && dot.operands[1]->type.scalar == scalar;
}

// Without loss: 8-bit floats have fewer bits of both kinds, and their smallest numbers are normal ones of bf16, which
// the instructions would take subnormal ones of to be zeros.
bool widens_to_bf16(const ttir::Value* factor) {
  const Scalar scalar = factor->type.scalar;
  return scalar == Scalar::kBF16 || (ttir::is_float(scalar) && ttir::bits_of(scalar) == 8);
}

void choose_multiply(const ttir::Operation& dot, const Target& target, DotPlan* plan) {
  auto take = [&](Multiply multiply, Scalar packed, int group) {
    plan->multiply = multiply;
    plan->packed = packed;
    plan->group = group;
  };
  if (plan->sum == Scalar::kF32 && widens_to_bf16(dot.operands[0]) && widens_to_bf16(dot.operands[1])) {
    const bool tiles = plan->rows % 16 == 0 && plan->columns % 16 == 0 && plan->depth % 32 == 0;
    if (target.amx_bf16 && tiles) return take(Multiply::kAmxBf16, Scalar::kBF16, 2);
    if (target.bf16_pairs && plan->depth % 2 == 0) return take(Multiply::kPairsBf16, Scalar::kBF16, 2);
  }
  if (plan->sum == Scalar::kI32 && both(dot, Scalar::kI8)) {
    const bool tiles = plan->rows % 16 == 0 && plan->columns % 16 == 0 && plan->depth % 64 == 0;
    if (target.amx_int8 && tiles) return take(Multiply::kAmxInt8, Scalar::kI8, 4);
    if (target.avx512_vnni && plan->depth % 4 == 0) return take(Multiply::kQuads8, Scalar::kI8, 4);
    if (plan->depth % 2 == 0) return take(Multiply::kPairs16, Scalar::kI16, 2);
  }
  const bool floats = ttir::is_float(plan->sum);
  take(floats ? Multiply::kFma : Multiply::kInteger, plan->sum, 1);
}

}  // namespace

std::optional<DotPlan> plan_dot(const ttir::Operation& dot, const Target& target, bool deferred) {
  const Type& sum = dot.result()->type;
  if (sum.shape.size() != 2) return std::nullopt;
  DotPlan plan;
  plan.sum = sum.scalar;
  plan.rows = sum.shape[0];
  plan.columns = sum.shape[1];
  plan.depth = dot.operands[0]->type.shape[1];
  plan.lanes = target.lanes * 4 / ttir::bytes_of(plan.sum);
  if (plan.columns < plan.lanes) return std::nullopt;
  choose_multiply(dot, target, &plan);
  if (plan.amx()) {
    plan.tile_rows = plan.rows % 32 == 0 ? 32 : 16;
    plan.panel = plan.columns % 32 == 0 ? 32 : 16;
  } else {
    plan.panel = static_cast<int>(std::min<int64_t>(2 * plan.lanes, plan.columns));
    plan.tile_rows = static_cast<int>(std::min<int64_t>(target.avx512 ? 8 : 4, plan.rows));
  }
  if (deferred) plan.steps = std::max<int64_t>(1, kChunkBytes / (plan.depth * plan.packed_bytes()));
  plan.left_row = plan.left_pitch();
  plan.left_step = plan.lane_bytes();
  return plan;
}

}  // namespace fl::compiler
