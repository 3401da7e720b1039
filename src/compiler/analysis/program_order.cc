#include "compiler/analysis/program_order.h"

#include <optional>

#include "compiler/analysis/schedule.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;
using ttir::Value;

class AxisFinder {
 public:
  explicit AxisFinder(const std::function<bool(const Value*)>& is_one) : is_one_(is_one) {}

  size_t find(const ttir::Function& function) {
    region(*function.body);
    return free_ ? found_.value_or(0) : 0;
  }

 private:
  void region(const ttir::Region& region_of_operations) {
    for (const ttir::Block* block : region_of_operations.blocks) {
      for (const Operation* op : block->operations) operation(*op);
    }
  }

  void operation(const Operation& op) {
    switch (op.op) {
      case Op::kDot:
      case Op::kAtomicRmw:
      case Op::kAtomicCas:
      case Op::kWhile:
        free_ = false;
        return;
      case Op::kLoad:
        free_ = free_ && op.integer("isVolatile") == 0;
        return;
      case Op::kStore:
        if (op.operands[0]->type.tensor && !found_) found_ = contiguous(op.operands[0]);
        return;
      default:
        for (const ttir::Region* inner : op.regions) region(*inner);
    }
  }

  // The program id in the addend of an address that counts elements one by one.
  std::optional<size_t> contiguous(const Value* value) const {
    if (!value->type.tensor || value->producer == nullptr) return std::nullopt;
    const Operation& op = *value->producer;
    switch (op.op) {
      case Op::kAddPtr:
      case Op::kAddI:
        for (size_t i = 0; i < 2; ++i) {
          const Value* other = uniform_source(op.operands[1 - i]);
          const Operation* range = op.operands[i]->producer;
          if (range != nullptr && range->op == Op::kMakeRange && other != nullptr) return program_id(other);
        }
        for (size_t i = 0; i < 2; ++i)
          if (const std::optional<size_t> axis = contiguous(op.operands[i])) return axis;
        return std::nullopt;
      case Op::kMulI:
        for (size_t i = 0; i < 2; ++i) {
          const Value* factor = uniform_source(op.operands[1 - i]);
          if (factor != nullptr && is_one(factor)) return contiguous(op.operands[i]);
        }
        return std::nullopt;
      case Op::kBroadcast:
      case Op::kExpandDims:
      case Op::kExtSI:
      case Op::kExtUI:
        return contiguous(op.operands[0]);
      default:
        return std::nullopt;
    }
  }

  bool is_one(const Value* factor) const {
    if (factor->producer != nullptr && factor->producer->op == Op::kConstant) return factor->producer->constant == 1;
    return is_one_(factor);
  }

  std::optional<size_t> program_id(const Value* scalar) const {
    if (scalar->producer == nullptr) return std::nullopt;
    const Operation& op = *scalar->producer;
    if (op.op == Op::kProgramId) {
      const std::string axis = op.word("axis");
      return axis == "x" ? 0 : axis == "y" ? 1 : 2;
    }
    if (op.op != Op::kMulI && op.op != Op::kAddI && op.op != Op::kExtSI) return std::nullopt;
    for (const Value* operand : op.operands)
      if (const std::optional<size_t> axis = program_id(operand)) return axis;
    return std::nullopt;
  }

  const std::function<bool(const Value*)>& is_one_;
  bool free_ = true;
  std::optional<size_t> found_;
};

}  // namespace

size_t fastest_axis(const ttir::Function& function, const std::function<bool(const Value*)>& is_one) {
  return AxisFinder(is_one).find(function);
}

}  // namespace fl::compiler
