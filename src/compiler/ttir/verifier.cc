#include "compiler/ttir/verifier.h"

#include "compiler/ttir/verifier_rules.h"

#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <string_view>

#include "base/error.h"

namespace fl::ttir {
void Verifier::same(const Operation& op) {
  const Type& type = result(op);
  const Rule rule = row_of(op.op).rule;
  for (const Value* value : op.operands) need(value->type == type, op, "takes operands of one type");
  need(!type.pointer, op, "does not take pointers");
  if (rule == Rule::kSameInt) need(is_integer(type.scalar), op, "takes integers");
  if (rule == Rule::kSameFloat) {
    need(is_float(type.scalar) && bits_of(type.scalar) >= 16, op, "takes floating-point numbers of 16 bits or more");
  }
  if (op.op == Op::kClampF)
    need(one_of(op.word("propagateNan"), {"none", "all"}), op, "needs propagateNan = none or all");
}

void Verifier::cast(const Operation& op, Rule rule) {
  count(op, 1, 1);
  const Type& from = operand(op, 0);
  const Type& to = result(op);
  need(from.same_shape(to), op, "keeps the shape");
  if (rule == Rule::kCastBits) {
    need(from.pointer == to.pointer, op, "does not turn pointers into numbers");
    need(from.pointer || bits_of(from.scalar) == bits_of(to.scalar), op, "keeps the number of bits");
    return;
  }
  need(!from.pointer && !to.pointer, op, "does not take pointers");
  const int before = bits_of(from.scalar);
  const int after = bits_of(to.scalar);
  const bool from_float = is_float(from.scalar);
  const bool to_float = is_float(to.scalar);
  switch (rule) {
    case Rule::kCastIntUp:
      return need(!from_float && !to_float && after > before, op, "widens an integer");
    case Rule::kCastIntDown:
      return need(!from_float && !to_float && after < before, op, "narrows an integer");
    case Rule::kCastFloatUp:
      return need(from_float && to_float && after > before, op, "widens a floating-point number");
    case Rule::kCastFloatDown:
      return need(from_float && to_float && after < before, op, "narrows a floating-point number");
    case Rule::kCastIntToFloat:
      return need(!from_float && to_float && after >= 16, op, "turns an integer into a floating-point number");
    default:
      return need(from_float && before >= 16 && !to_float, op, "turns a floating-point number into an integer");
  }
}

void Verifier::compare(const Operation& op) {
  count(op, 2, 1);
  need(operand(op, 0) == operand(op, 1), op, "compares two values of one type");
  if (op.op == Op::kCmpI) {
    need(!operand(op, 0).holds_float() && !operand(op, 0).pointer, op, "compares integers");
    need(one_of(op.word("predicate"), {"eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"}), op,
         "has no predicate '" + op.word("predicate") + "'");
  } else {
    need(operand(op, 0).holds_float() && bits_of(operand(op, 0).scalar) >= 16, op, "compares floating-point numbers");
    need(one_of(op.word("predicate"), {"false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge",
                                       "ult", "ule", "une", "uno", "true"}),
         op, "has no predicate '" + op.word("predicate") + "'");
  }
}

void Verifier::pointer(const Operation& op) {
  count(op, op.op == Op::kAddPtr ? 2 : 1, 1);
  const Type& from = operand(op, 0);
  const Type& to = result(op);
  need(from.same_shape(to), op, "keeps the shape");
  if (op.op == Op::kAddPtr) {
    const Type& offset = operand(op, 1);
    need(from.pointer && from == to && offset.same_shape(from) && offset.holds_integer() && bits_of(offset.scalar) >= 8,
         op, "adds integers to pointers of the same shape");
  } else if (op.op == Op::kPtrToInt) {
    need(from.pointer && to.holds_integer() && to.scalar == Scalar::kI64, op, "turns pointers into i64");
  } else {
    need(to.pointer && from.holds_integer() && from.scalar == Scalar::kI64, op, "turns i64 into pointers");
  }
}

void Verifier::memory(const Operation& op) {
  const bool load = op.op == Op::kLoad;
  const size_t least = load ? 1 : 2;
  need(op.operands.size() >= least && op.operands.size() <= 3, op,
       load ? "takes a pointer, a mask and a default" : "takes a pointer, a value and a mask");
  const Type& address = operand(op, 0);
  need(address.pointer, op, "takes pointers");
  need(bits_of(address.scalar) >= 8, op, "does not reach single bits: memory is addressed in bytes");
  const Type value = address.with_element(Type::of(address.scalar));
  if (load) {
    need(result(op) == value, op, "returns what its pointers point to");
    if (op.operands.size() > 2) need(operand(op, 2) == value, op, "needs a default of the loaded type");
  } else {
    need(operand(op, 1) == value, op, "stores what its pointers point to");
  }
  const size_t mask = load ? 1 : 2;
  if (op.operands.size() > mask)
    need(operand(op, mask) == value.with_element(Type::of(Scalar::kI1)), op, "needs a mask of the pointers' shape");
}

void Verifier::atomic(const Operation& op) {
  const bool cas = op.op == Op::kAtomicCas;
  need(op.operands.size() == 3 || (!cas && op.operands.size() == 2), op, "takes a pointer and two operands");
  need(op.results.size() == 1, op, "has one result");
  const Type& address = operand(op, 0);
  need(address.pointer && bits_of(address.scalar) >= 8, op, "takes pointers to at least a byte");
  const Type value = address.with_element(Type::of(address.scalar));
  need(operand(op, 1) == value && result(op) == value, op, "works on what its pointers point to");
  need(one_of(op.word("order"), {"relaxed", "acquire", "release", "acq_rel"}), op,
       "has no memory order '" + op.word("order") + "'");
  if (cas) return need(operand(op, 2) == value, op, "compares and stores one type");
  if (op.operands.size() == 3)
    need(operand(op, 2) == value.with_element(Type::of(Scalar::kI1)), op, "needs a mask of the pointers' shape");
  const std::string kind = op.word("kind");
  const bool floating = is_float(address.scalar);
  need(one_of(kind, {"and", "or", "xor", "add", "fadd", "max", "min", "umax", "umin", "exch"}), op,
       "has no kind '" + kind + "'");
  need(kind == "exch" || (kind == "fadd") == floating, op,
       "of kind '" + kind + "' does not work on " + std::string(name_of(address.scalar)));
}

void Verifier::own(const Operation& op) {
  switch (op.op) {
    case Op::kCmpI:
    case Op::kCmpF:
      return compare(op);
    case Op::kConstant:
      return need(!result(op).pointer, op, "makes numbers");
    case Op::kSelect: {
      count(op, 3, 1);
      const Type& condition = operand(op, 0);
      need(is_mask(condition) && (!condition.tensor || condition.same_shape(result(op))), op,
           "chooses by an i1 or a block of them");
      return need(operand(op, 1) == operand(op, 2) && operand(op, 1) == result(op), op,
                  "chooses between values of one type");
    }
    case Op::kProgramId:
    case Op::kNumPrograms:
      count(op, 0, 1);
      return need(one_of(op.word("axis"), {"x", "y", "z"}) && result(op).is(Scalar::kI32), op,
                  "is an i32 along x, y or z");
    case Op::kMakeRange:
    case Op::kSplat:
    case Op::kExpandDims:
    case Op::kBroadcast:
    case Op::kReshape:
    case Op::kTrans:
    case Op::kJoin:
    case Op::kSplit:
    case Op::kCat:
    case Op::kGather:
    case Op::kHistogram:
      return shape_change(op);
    case Op::kAddPtr:
    case Op::kPtrToInt:
    case Op::kIntToPtr:
      return pointer(op);
    case Op::kLoad:
    case Op::kStore:
      return memory(op);
    case Op::kAtomicRmw:
    case Op::kAtomicCas:
      return atomic(op);
    case Op::kReduce:
    case Op::kScan:
      return combine(op);
    case Op::kDot:
      return dot(op);
    case Op::kFor:
      return loop(op);
    case Op::kIf:
      return conditional(op);
    case Op::kWhile:
      return while_loop(op);
    case Op::kBranch:
    case Op::kCondBranch:
      return branch(op);
    case Op::kFpToFp:
      count(op, 1, 1);
      return need(operand(op, 0).same_shape(result(op)) && operand(op, 0).holds_float() && result(op).holds_float(), op,
                  "converts floating-point numbers");
    case Op::kExtern:
      need(!op.operands.empty() && op.results.size() == 1 && !op.word("symbol").empty(), op,
           "needs operands and a symbol");
      for (const Value* value : op.operands) {
        need(value->type.same_shape(result(op)) && !value->type.pointer, op, "takes numbers of the result's shape");
      }
      return need(!result(op).pointer, op, "returns numbers");
    case Op::kAssert:
    case Op::kAssume:
      return need(op.operands.size() == 1 && is_mask(operand(op, 0)), op, "takes a condition");
    case Op::kReturn:
      return need(op.operands.empty() && op.parent->parent->parent == nullptr, op,
                  "ends the kernel and returns nothing");
    default:
      return;  // yields are judged by their parents; prints and barriers take anything
  }
}

void Verifier::operation(const Operation& op) {
  const OpRow& row = row_of(op.op);
  const bool ends = op.op == Op::kYield || op.op == Op::kCondition || op.op == Op::kBranch ||
                    op.op == Op::kCondBranch || op.op == Op::kReduceReturn || op.op == Op::kScanReturn ||
                    op.op == Op::kReturn;
  need(ends == (op.parent->terminator() == &op), op, ends ? "ends its block" : "cannot be the last of a block");
  switch (row.rule) {
    case Rule::kSameInt:
    case Rule::kSameFloat:
    case Rule::kSameAny:
      same(op);
      break;
    case Rule::kOwn:
      own(op);
      break;
    default:
      cast(op, row.rule);
  }
  for (const Region* inner : op.regions) region(*inner);
}

void Verifier::block(const Block& block) {
  for (const Value* value : block.arguments) {
    for (int64_t extent : value->type.shape) {
      if (!std::has_single_bit(static_cast<uint64_t>(extent))) {
        fail(FL_INVALID_ARGUMENT, "line 1, column 1: %%%s is a %s: dimensions are powers of two", value->name.c_str(),
             to_string(value->type).c_str());
      }
    }
  }
  for (const Operation* op : block.operations) {
    for (const Value* value : op->results) {
      for (int64_t extent : value->type.shape)
        need(std::has_single_bit(static_cast<uint64_t>(extent)), *op, "has dimensions that are powers of two");
    }
    operation(*op);
  }
}

void Verifier::region(const Region& region) {
  for (const Block* inner : region.blocks) block(*inner);
}

void Verifier::run(const Module& module) {
  const Function& function = module.function;
  for (const Value* argument : function.arguments()) {
    if (argument->type.tensor) {
      fail(FL_INVALID_ARGUMENT, "line %d, column %d: the kernel's argument %%%s is a block", function.where.line,
           function.where.column, argument->name.c_str());
    }
  }
  for (const Block* inner : function.body->blocks) {
    const Operation* end = inner->terminator();
    const bool ends =
        end != nullptr && (end->op == Op::kReturn || end->op == Op::kBranch || end->op == Op::kCondBranch);
    if (!ends) {
      fail(FL_INVALID_ARGUMENT, "line %d, column %d: a block of the kernel does not end in tt.return or a branch",
           end != nullptr ? end->where.line : function.where.line,
           end != nullptr ? end->where.column : function.where.column);
    }
  }
  region(*function.body);
  branches_go_forward(*function.body);
}

void verify(const Module& module) { Verifier().run(module); }

}  // namespace fl::ttir
