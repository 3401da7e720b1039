// Operations that change shapes or combine along an axis.

#include <array>

#include "compiler/ttir/verifier_rules.h"

namespace fl::ttir {

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
  const bool small = is_float(a.scalar) && is_float(b.scalar) && bits_of(a.scalar) == 8 && bits_of(b.scalar) == 8;
  need(!a.pointer && !b.pointer && (a.element() == b.element() || small) && !c.pointer &&
           is_float(a.scalar) == is_float(c.scalar) && result(op) == c,
       op, "multiplies two blocks of one element type, or of 8-bit floats");
}

}  // namespace fl::ttir
