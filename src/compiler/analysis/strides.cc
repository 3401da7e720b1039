#include "compiler/analysis/strides.h"

#include <unordered_map>

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;
using ttir::Value;

class StrideFinder {
 public:
  explicit StrideFinder(const ttir::Function& function) {
    const auto& arguments = function.arguments();
    for (size_t i = 0; i < arguments.size() && i < 64; ++i) {
      if (arguments[i]->type.holds_integer()) source_[arguments[i]] = i;
    }
    region(*function.body);
  }
  uint64_t found() const { return found_; }

 private:
  void region(const ttir::Region& region) {
    for (const ttir::Block* block : region.blocks) {
      for (const Operation* op : block->operations) operation(*op);
    }
  }

  // A block or scalar that is an argument, repeated or widened, is that argument.
  void operation(const Operation& op) {
    switch (op.op) {
      case Op::kExtSI:
      case Op::kTruncI:
      case Op::kSplat:
      case Op::kBroadcast:
      case Op::kExpandDims:
      case Op::kReshape:
        if (auto known = source_.find(op.operands[0]); known != source_.end()) source_[op.result()] = known->second;
        break;
      case Op::kMulI:
        for (const Value* operand : op.operands) {
          auto known = source_.find(operand);
          if (known != source_.end() && op.result()->type.tensor) found_ |= uint64_t{1} << known->second;
        }
        break;
      default:
        break;
    }
    for (const ttir::Region* inner : op.regions) region(*inner);
  }

  std::unordered_map<const Value*, size_t> source_;
  uint64_t found_ = 0;
};

}  // namespace

uint64_t stride_arguments(const ttir::Function& function) { return StrideFinder(function).found(); }

}  // namespace fl::compiler
