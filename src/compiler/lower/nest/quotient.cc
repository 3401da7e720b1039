// Quotients by a sum. A division takes several times as long as a multiplication, and a softmax divides each element of
// a row by one number. The last bit of a sum that was reduced depends on the order of its terms, which nobody promises,
// so a product with its reciprocal, 1.5 ulp from the quotient at most, is as good an answer. All other divisions are
// exact.

#include <algorithm>
#include <unordered_set>

#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kF32 = Type::of(Scalar::kF32);
constexpr size_t kFarthest = 64;  // values looked at; sums stand close to where they are used

}  // namespace

// Whether some float that the value is computed from is a reduced sum or product.
bool Nest::comes_of_a_sum(const Value* value) {
  std::vector<const Value*> open{value};
  std::unordered_set<const Value*> seen;
  while (!open.empty() && seen.size() < kFarthest) {
    const Value* at = open.back();
    open.pop_back();
    if (!at->type.holds_float() || at->producer == nullptr || !seen.insert(at).second) continue;
    const ttir::Operation& op = *at->producer;
    if (op.op == Op::kReduce) {
      for (const ttir::Operation* inner : op.regions[0]->entry().operations)
        if (inner->op == Op::kAddF || inner->op == Op::kMulF) return true;
      continue;
    }
    if (op.op == Op::kFor)
      open.push_back(op.regions[0]->entry().terminator()->operands[static_cast<size_t>(at->index)]);
    if (ttir::row_of(op.op).effect == ttir::Effect::kPure)
      open.insert(open.end(), op.operands.begin(), op.operands.end());
  }
  return false;
}

// A reciprocal that is not representable, of a denormal or of a huge divisor, is avoided by a power of two.
std::optional<Piece> Nest::quotient(const ttir::Operation& op, const Piece& dividend, const Piece& divisor) {
  if (mode_ == Mode::kExact || dividend.width == 1 || divisor.width != 1 || op.result()->type.scalar != Scalar::kF32 ||
      is_constant(divisor.text) || !comes_of_a_sum(op.operands[1]))
    return std::nullopt;
  auto [known, added] = pieces_.try_emplace("reciprocal " + divisor.text);
  auto [scale, added_too] = pieces_.try_emplace("scale of " + divisor.text);
  if (added) {
    Stream& out = stream(divisor.level);
    const std::string size = ops_.intrinsic("fabs", kF32, {divisor.text}, 1, out);
    const std::string small = ops_.compare("fcmp", "olt", kF32, size, llvm_float(0x1p-126), 1, out);
    const std::string large = ops_.compare("fcmp", "ogt", kF32, size, llvm_float(0x1p126), 1, out);
    const std::string down = ops_.select(kF32, large, llvm_float(0x1p-32), llvm_float(1), 1, out);
    const std::string factor = ops_.select(kF32, small, llvm_float(0x1p32), down, 1, out);
    const std::string scaled = ops_.binary("fmul", kF32, divisor.text, factor, 1, out);
    known->second = {ops_.binary("fdiv", kF32, llvm_float(1), scaled, 1, out), 1, divisor.level};
    scale->second = {factor, 1, divisor.level};
  }
  const int level = std::max(dividend.level, divisor.level);
  const std::string reciprocal = widen(known->second, kF32).text;
  const std::string factor = widen(scale->second, kF32).text;
  Stream& out = stream(level);
  const std::string product = ops_.binary("fmul", kF32, dividend.text, reciprocal, dividend.width, out);
  return Piece{ops_.binary("fmul", kF32, product, factor, dividend.width, out), dividend.width, level};
}

}  // namespace fl::compiler
