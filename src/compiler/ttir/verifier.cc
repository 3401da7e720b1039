#include "compiler/ttir/verifier.h"

#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <string_view>

#include "base/error.h"

namespace fl::ttir {
namespace {

class Verifier {
 public:
  void run(const Module& module);

 private:
  void region(const Region& region);
  void block(const Block& block);
  void operation(const Operation& op);
  void same(const Operation& op);
  void cast(const Operation& op, Rule rule);
  void own(const Operation& op);
  void compare(const Operation& op);
  void shape_change(const Operation& op);
  void pointer(const Operation& op);
  void memory(const Operation& op);
  void atomic(const Operation& op);
  void combine(const Operation& op);
  void dot(const Operation& op);
  void loop(const Operation& op);
  void conditional(const Operation& op);
  void while_loop(const Operation& op);
  void branch(const Operation& op);
  void branches_go_forward(const Region& body);

  static void need(bool holds, const Operation& op, const std::string& rule) {
    if (holds) return;
    fail(FL_INVALID_ARGUMENT, "line %d, column %d: '%s' %s", op.where.line, op.where.column, name_of(op.op),
         rule.c_str());
  }
  static void count(const Operation& op, size_t operands, size_t results) {
    need(op.operands.size() == operands, op, "takes " + std::to_string(operands) + " operands");
    need(op.results.size() == results, op, "has " + std::to_string(results) + " results");
  }
  static const Type& operand(const Operation& op, size_t index) { return op.operands[index]->type; }
  static const Type& result(const Operation& op) { return op.result()->type; }
  // Operands `first`.. of `op`, the terminator, are what `wanted` says.
  static void yields(const Operation& op, size_t first, const std::vector<Value*>& wanted, const char* who);
  static const Operation& last(const Operation& parent, const Region& region, Op expected);
};

bool is_mask(const Type& type) { return !type.pointer && type.scalar == Scalar::kI1; }

bool one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

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

void Verifier::shape_change(const Operation& op) {
  switch (op.op) {
    case Op::kMakeRange: {
      count(op, 0, 1);
      const Type& type = result(op);
      need(type.tensor && type.shape.size() == 1 && !type.pointer && type.scalar == Scalar::kI32, op,
           "makes a tensor<Nxi32>");
      const int64_t start = op.integer("start");
      const int64_t end = op.integer("end");
      need(op.integers.contains("start") && op.integers.contains("end") && start >= INT32_MIN && end <= INT32_MAX &&
               start < end && end - start == type.shape[0],
           op, "needs start and end that are as far apart as the result is long");
      return;
    }
    case Op::kSplat:
      count(op, 1, 1);
      need(!operand(op, 0).tensor && result(op).tensor && result(op).element() == operand(op, 0), op,
           "makes a block of its scalar operand");
      return;
    case Op::kExpandDims: {
      count(op, 1, 1);
      const int64_t axis = op.integer("axis", -1);
      std::vector<int64_t> shape = operand(op, 0).shape;
      need(operand(op, 0).tensor && axis >= 0 && axis <= static_cast<int64_t>(shape.size()), op,
           "needs an axis of the result");
      shape.insert(shape.begin() + axis, 1);
      need(result(op).shape == shape && result(op).element() == operand(op, 0).element(), op,
           "inserts a dimension of one");
      return;
    }
    case Op::kBroadcast: {
      count(op, 1, 1);
      const Type& from = operand(op, 0);
      const Type& to = result(op);
      bool fits = from.tensor && to.tensor && from.shape.size() == to.shape.size() && from.element() == to.element();
      for (size_t i = 0; fits && i < to.shape.size(); ++i) fits = from.shape[i] == to.shape[i] || from.shape[i] == 1;
      need(fits, op, "stretches dimensions of one");
      return;
    }
    case Op::kReshape:
      count(op, 1, 1);
      need(operand(op, 0).tensor && result(op).tensor && operand(op, 0).element() == result(op).element() &&
               operand(op, 0).elements() == result(op).elements(),
           op, "keeps the elements");
      return;
    case Op::kTrans: {
      count(op, 1, 1);
      const Type& from = operand(op, 0);
      const Type& to = result(op);
      const size_t rank = from.shape.size();
      bool fits = from.tensor && to.tensor && to.shape.size() == rank && op.order.size() == rank &&
                  from.element() == to.element();
      std::array<bool, kMaxRank> seen{};
      for (size_t i = 0; fits && i < rank; ++i) {
        const int64_t axis = op.order[i];
        fits = axis >= 0 && axis < static_cast<int64_t>(rank) && !seen[static_cast<size_t>(axis)] &&
               to.shape[i] == from.shape[static_cast<size_t>(axis)];
        if (fits) seen[static_cast<size_t>(axis)] = true;
      }
      need(fits, op, "needs an order that is a permutation and fits the shapes");
      return;
    }
    case Op::kJoin: {
      count(op, 2, 1);
      std::vector<int64_t> shape = operand(op, 0).shape;
      shape.push_back(2);
      need(operand(op, 0).tensor && operand(op, 0) == operand(op, 1) && result(op).shape == shape &&
               result(op).element() == operand(op, 0).element(),
           op, "puts two blocks of one type side by side along a new last dimension");
      return;
    }
    case Op::kSplit: {
      count(op, 1, 2);
      std::vector<int64_t> shape = operand(op, 0).shape;
      need(operand(op, 0).tensor && shape.size() > 1 && shape.back() == 2, op,
           "takes a block whose last dimension is two");
      shape.pop_back();
      for (const Value* value : op.results) {
        need(value->type.shape == shape && value->type.element() == operand(op, 0).element(), op,
             "drops the last dimension");
      }
      return;
    }
    case Op::kCat:
      count(op, 2, 1);
      need(operand(op, 0) == operand(op, 1) && operand(op, 0).tensor && operand(op, 0).shape.size() == 1 &&
               result(op).element() == operand(op, 0).element() && result(op).shape.size() == 1 &&
               result(op).shape[0] == 2 * operand(op, 0).shape[0],
           op, "puts two blocks of rank one behind each other");
      return;
    case Op::kGather: {
      count(op, 2, 1);
      const int64_t axis = op.integer("axis", -1);
      const Type& source = operand(op, 0);
      const Type& index = operand(op, 1);
      bool fits = source.tensor && index.tensor && !index.pointer && is_integer(index.scalar) &&
                  source.shape.size() == index.shape.size() && result(op) == index.with_element(source.element()) &&
                  axis >= 0 && axis < static_cast<int64_t>(source.shape.size());
      for (size_t i = 0; fits && i < source.shape.size(); ++i) {
        fits = static_cast<int64_t>(i) == axis || source.shape[i] == index.shape[i];
      }
      need(fits, op, "takes a block, indices that differ in shape along the axis only, and an axis");
      return;
    }
    default:  // tt.histogram
      need(op.operands.size() == 1 || op.operands.size() == 2, op, "takes a block and maybe a mask");
      need(operand(op, 0).tensor && operand(op, 0).shape.size() == 1 && operand(op, 0).holds_integer() &&
               result(op).tensor && result(op).shape.size() == 1 && !result(op).pointer &&
               result(op).scalar == Scalar::kI32,
           op, "counts integers of a block of rank one into a tensor<Nxi32>");
      if (op.operands.size() == 2)
        need(operand(op, 1) == operand(op, 0).with_element(Type::of(Scalar::kI1)), op,
             "needs a mask of the block's shape");
      return;
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

const Operation& Verifier::last(const Operation& parent, const Region& region, Op expected) {
  need(region.blocks.size() == 1, parent, "has regions of one block");
  const Operation* end = region.entry().terminator();
  need(end != nullptr && end->op == expected, parent, std::string("has a region that ends in ") + name_of(expected));
  return *end;
}

void Verifier::yields(const Operation& op, size_t first, const std::vector<Value*>& wanted, const char* who) {
  bool fits = op.operands.size() == first + wanted.size();
  for (size_t i = 0; fits && i < wanted.size(); ++i) fits = op.operands[first + i]->type == wanted[i]->type;
  need(fits, op, std::string("passes the values that ") + who + " expects");
}

void Verifier::combine(const Operation& op) {
  const size_t columns = op.operands.size();
  need(columns >= 1 && op.results.size() == columns && op.regions.size() == 1, op,
       "has a result for each operand and one region");
  const Type& first = operand(op, 0);
  const int64_t axis = op.integer("axis", -1);
  need(first.tensor && axis >= 0 && axis < static_cast<int64_t>(first.shape.size()), op, "needs an axis of its blocks");
  std::vector<int64_t> shape = first.shape;
  const bool reduce = op.op == Op::kReduce;
  if (reduce) shape.erase(shape.begin() + axis);
  for (size_t i = 0; i < columns; ++i) {
    need(operand(op, i).tensor && operand(op, i).shape == first.shape && !operand(op, i).pointer, op,
         "takes blocks of numbers of one shape");
    need(op.results[i]->type.shape == shape && op.results[i]->type.tensor == !shape.empty() &&
             op.results[i]->type.element() == operand(op, i).element(),
         op, reduce ? "drops the axis" : "keeps the shape");
  }
  const Operation& end = last(op, *op.regions[0], reduce ? Op::kReduceReturn : Op::kScanReturn);
  const auto& arguments = op.regions[0]->entry().arguments;
  need(arguments.size() == 2 * columns, op, "combines two values of each column");
  need(end.operands.size() == columns, op, "returns a value for each column");
  for (size_t i = 0; i < columns; ++i) {
    const Type element = operand(op, i).element();
    need(arguments[i]->type == element && arguments[columns + i]->type == element && end.operands[i]->type == element,
         op, "combines elements of its columns");
  }
  for (const Operation* inner : op.regions[0]->entry().operations) {
    need(inner->regions.empty() && (inner == &end || row_of(inner->op).effect == Effect::kPure), *inner,
         "may not stand in a combine region");
    for (const Value* value : inner->results) need(!value->type.tensor, *inner, "works on scalars in a combine region");
  }
}

void Verifier::dot(const Operation& op) {
  count(op, 3, 1);
  const Type& a = operand(op, 0);
  const Type& b = operand(op, 1);
  const Type& c = operand(op, 2);
  const size_t rank = a.shape.size();
  bool fits =
      a.tensor && b.tensor && c.tensor && (rank == 2 || rank == 3) && b.shape.size() == rank && c.shape.size() == rank;
  fits = fits && a.shape[rank - 1] == b.shape[rank - 2] && c.shape[rank - 2] == a.shape[rank - 2] &&
         c.shape[rank - 1] == b.shape[rank - 1];
  fits = fits && (rank == 2 || (a.shape[0] == b.shape[0] && a.shape[0] == c.shape[0]));
  need(fits, op, "multiplies MxK by KxN onto MxN");
  need(!a.pointer && a.element() == b.element() && !c.pointer && is_float(a.scalar) == is_float(c.scalar) &&
           result(op) == c,
       op, "multiplies two blocks of one element type");
}

void Verifier::loop(const Operation& op) {
  need(op.operands.size() >= 3 && op.regions.size() == 1, op, "has bounds, a step and a body");
  const Type& type = operand(op, 0);
  need(!type.tensor && type.holds_integer() && type == operand(op, 1) && type == operand(op, 2), op,
       "counts with one integer type");
  const auto& arguments = op.regions[0]->entry().arguments;
  const size_t carried = op.operands.size() - 3;
  need(arguments.size() == carried + 1 && op.results.size() == carried, op, "carries as many values as it starts with");
  for (size_t i = 0; i < carried; ++i) {
    need(arguments[i + 1]->type == operand(op, i + 3) && op.results[i]->type == operand(op, i + 3), op,
         "keeps the types of what it carries");
  }
  yields(last(op, *op.regions[0], Op::kYield), 0, op.results, "the loop");
}

void Verifier::conditional(const Operation& op) {
  need(op.operands.size() == 1 && operand(op, 0).is(Scalar::kI1), op, "takes an i1");
  need(op.results.empty() || op.regions.size() == 2, op, "needs an else when it has results");
  for (const Region* region : op.regions) yields(last(op, *region, Op::kYield), 0, op.results, "the if");
}

void Verifier::while_loop(const Operation& op) {
  need(op.regions.size() == 2, op, "has two regions");
  const auto& before = op.regions[0]->entry().arguments;
  const auto& after = op.regions[1]->entry().arguments;
  bool fits = before.size() == op.operands.size() && after.size() == op.results.size();
  for (size_t i = 0; fits && i < before.size(); ++i) fits = before[i]->type == operand(op, i);
  for (size_t i = 0; fits && i < after.size(); ++i) fits = after[i]->type == op.results[i]->type;
  need(fits, op, "carries as many values as it starts with and returns");
  const Operation& condition = last(op, *op.regions[0], Op::kCondition);
  need(!condition.operands.empty() && operand(condition, 0).is(Scalar::kI1), condition, "takes an i1");
  yields(condition, 1, op.results, "the loop");
  yields(last(op, *op.regions[1], Op::kYield), 0, before, "the loop");
}

void Verifier::branch(const Operation& op) {
  need(op.parent->parent->parent == nullptr, op, "stands in the function's body only");
  if (op.op == Op::kCondBranch) need(op.operands.size() == 1 && operand(op, 0).is(Scalar::kI1), op, "takes an i1");
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

// Early returns make blocks that only lead forward; loops are scf.for and scf.while. Since names are visible from where
// they are defined to the end of the region, a value could be used in a block that its definition does not dominate:
// a block may use values of the first block, of its own and, where it has one predecessor, of what that one may use.
void Verifier::branches_go_forward(const Region& body) {
  std::map<const Block*, size_t> position;
  for (size_t i = 0; i < body.blocks.size(); ++i) position[body.blocks[i]] = i;
  std::map<const Block*, std::set<const Block*>> dominators;
  dominators[body.blocks[0]] = {body.blocks[0]};
  for (const Block* from : body.blocks) {
    const Operation* end = from->terminator();
    for (const Block* to : end->successors) {
      need(position.at(to) > position.at(from), *end, "goes to a block that stands behind it");
      std::set<const Block*> through = dominators[from];
      through.insert(to);
      auto [known, first] = dominators.try_emplace(to, through);
      if (first) continue;
      std::set<const Block*> common{to};
      for (const Block* block : known->second)
        if (through.contains(block)) common.insert(block);
      known->second = common;
    }
  }
  auto owner = [&body](const Block* block) {
    while (block->parent != &body) block = block->parent->parent->parent;
    return block;
  };
  std::vector<const Operation*> open;
  for (const Block* block : body.blocks) {
    const std::set<const Block*>& visible = dominators[block];
    for (const Operation* op : block->operations) open.push_back(op);
    while (!open.empty()) {
      const Operation* op = open.back();
      open.pop_back();
      for (const Value* value : op->operands) {
        const Block* home = owner(value->producer != nullptr ? value->producer->parent : value->owner);
        need(home == block || home == body.blocks[0] || visible.contains(home), *op,
             "uses %" + value->name + ", which may not have been computed");
      }
      for (const Region* region : op->regions) {
        for (const Block* inner : region->blocks)
          open.insert(open.end(), inner->operations.begin(), inner->operations.end());
      }
    }
  }
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

}  // namespace

void verify(const Module& module) { Verifier().run(module); }

}  // namespace fl::ttir
