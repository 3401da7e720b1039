// Positions: how the position in an operation's result maps to the position in its operand, so that expand_dims,
// broadcast, trans and reshape cost nothing but index arithmetic.

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;

const Type kI32 = Type::of(Scalar::kI32);
const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

std::string Nest::key(const ttir::Value* value, const Coordinates& at, int copy) {
  std::string text = formatted("%zu/%d", shared_.number_of(value), copy);
  for (const Index& index : at) {
    text += '|';
    if (!index.opaque.empty()) {
      text += index.opaque;
      continue;
    }
    text += std::to_string(index.constant);
    for (int64_t c : index.coefficients) text += "," + std::to_string(c);
  }
  return text;
}

void Nest::make_loops(const std::vector<int64_t>& shape, const std::vector<size_t>& order, size_t vector_dimension,
                      bool one_by_one, bool runs) {
  loops_.clear();
  std::vector<int> loop_of(shape.size(), -1);
  for (size_t dimension : order) {
    if (shape[dimension] == 1 && dimension != vector_dimension) continue;
    if (dimension == vector_dimension) {
      if (runs) loops_.push_back({1, false, "", "", true});
      vector_loop_ = loops_.size();
    }
    loop_of[dimension] = static_cast<int>(loops_.size());
    loops_.push_back({shape[dimension], dimension == vector_dimension, ""});
  }
  // Behind a failed guard small code counts, not speed.
  const int64_t lanes = mode_ == Mode::kExact || one_by_one ? 1 : shared_.target.lanes;
  lanes_ = static_cast<int>(std::min<int64_t>(lanes, loops_[vector_loop_].extent));
  coordinates_.clear();
  for (size_t dimension = 0; dimension < shape.size(); ++dimension) {
    Index index;
    index.coefficients.assign(loops_.size(), 0);
    if (loop_of[dimension] >= 0) index.coefficients[static_cast<size_t>(loop_of[dimension])] = 1;
    coordinates_.push_back(index);
  }
  streams_.assign(loops_.size() + 1, nullptr);
  streams_[0] = &before_;
}

void Nest::set_loops(std::vector<Loop> loops, size_t vector_loop, Coordinates at, int lanes) {
  loops_ = std::move(loops);
  vector_loop_ = vector_loop;
  coordinates_ = std::move(at);
  lanes_ = mode_ == Mode::kExact ? 1 : static_cast<int>(std::min<int64_t>(lanes, loops_[vector_loop].extent));
  streams_.assign(loops_.size() + 1, nullptr);
  streams_[0] = &before_;
}

void Nest::restrict(size_t dimension, const std::string& limit, bool whole) {
  restricted_ = dimension;
  restriction_ = limit;
  whole_ = whole;
  const Index& index = coordinates_[dimension];
  for (size_t l = 0; l < loops_.size(); ++l) {
    const int64_t c = index.coefficients[l];
    if (c == 0 || l == vector_loop_) continue;
    loops_[l].limit = limit;
    if (c == 1) continue;  // else rounded up to whole steps
    loops_[l].limit = ops_.binary("add", kI64, limit, std::to_string(c - 1), 1, before_);
    loops_[l].limit = ops_.binary("udiv", kI64, loops_[l].limit, std::to_string(c), 1, before_);
  }
}

// Negative exactly at the positions that are to be done; nothing where the vector loop does not run along them.
std::optional<Form> Nest::beyond_restriction() {
  if (!restricted_ || coordinates_[*restricted_].coefficients[vector_loop_] == 0) return std::nullopt;
  Form form{subtract({true, 0, ""}, {false, 0, restriction_}), {}};
  for (int64_t c : coordinates_[*restricted_].coefficients) form.coefficients.push_back({true, c, ""});
  return form;
}

// index * stride, split off the positions at or beyond `extent`: (index / stride) mod extent where index is linear.
// Each loop's position takes up a field of bits; a field that lies wholly inside or outside stays linear.
Index Nest::linear_or_opaque(const Index& index, int64_t stride, int64_t extent) {
  if (is_linear(index)) {
    Index result;
    result.coefficients.assign(loops_.size(), 0);
    bool clean = true;
    int64_t reach = index.constant % stride;  // what the fields below the stride add up to: no carry
    for (size_t l = 0; l < loops_.size() && clean; ++l) {
      const int64_t c = index.coefficients[l];
      if (c == 0) continue;
      clean = c > 0;
      const int64_t field = c * loops_[l].extent;  // one past the highest bit it reaches
      if (field <= stride) {
        reach += c * (loops_[l].extent - 1);
      } else if (c % stride == 0 && field <= stride * extent) {
        result.coefficients[l] = c / stride;
      } else {
        clean = clean && c % (stride * extent) == 0;
      }
    }
    int64_t top = (index.constant / stride) % extent;
    for (size_t l = 0; l < loops_.size(); ++l) top += result.coefficients[l] * (loops_[l].extent - 1);
    if (clean && index.constant >= 0 && reach < stride && top < extent) {
      result.constant = (index.constant / stride) % extent;
      return result;
    }
  }
  if (analysing_) return unknown_index();
  const Piece whole = index_piece(index, copy_);
  Index result;
  result.width = whole.width;
  result.level = whole.level;
  Stream& out = stream(whole.level);
  const int shift = std::countr_zero(static_cast<uint64_t>(stride));
  std::string text = whole.text;
  if (shift > 0)
    text = ops_.binary("lshr", kI32, text, ops_.integer(shift, Scalar::kI32, whole.width), whole.width, out);
  result.opaque = ops_.binary("and", kI32, text, ops_.integer(extent - 1, Scalar::kI32, whole.width), whole.width, out);
  return result;
}

// While forms are looked for there is no place yet for code that computes a position: it is known not to be linear,
// which is all that matters then.
Index Nest::unknown_index() {
  Index index;
  index.opaque = "?";
  return index;
}

Index Nest::flatten(const std::vector<int64_t>& shape, const Coordinates& at) {
  Index flat;
  flat.coefficients.assign(loops_.size(), 0);
  int64_t stride = 1;
  bool linear = true;
  for (const Index& index : at) linear = linear && is_linear(index);
  if (linear) {
    for (size_t d = shape.size(); d-- > 0;) {
      flat.constant += at[d].constant * stride;
      for (size_t l = 0; l < loops_.size(); ++l) flat.coefficients[l] += at[d].coefficients[l] * stride;
      stride *= shape[d];
    }
    return flat;
  }
  if (analysing_) return unknown_index();
  Piece sum{"0", 1, 0};
  for (size_t d = shape.size(); d-- > 0;) {
    Piece part = index_piece(at[d], copy_);
    const int width = std::max(sum.width, part.width);
    const int level = std::max(sum.level, part.level);
    if (width > 1) {
      sum = widen(sum, kI32);
      part = widen(part, kI32);
    }
    std::string scaled = part.text;
    if (stride > 1)
      scaled = ops_.binary("mul", kI32, scaled, ops_.integer(stride, Scalar::kI32, width), width, stream(level));
    sum = {ops_.binary("add", kI32, sum.text, scaled, width, stream(level)), width, level};
    stride *= shape[d];
  }
  flat.opaque = sum.text;
  flat.width = sum.width;
  flat.level = sum.level;
  return flat;
}

// Where an element of a block is in its slot, in elements.
Index Nest::arena_index(const ttir::Value* block, int64_t slot, const Coordinates& at) {
  auto known = shared_.fastest.find(slot);
  if (known == shared_.fastest.end()) return flatten(shared_.shape_of(block), at);
  std::vector<int64_t> shape = shared_.shape_of(block);
  Coordinates turned = at;
  const auto fastest = static_cast<std::ptrdiff_t>(known->second);
  std::rotate(shape.begin() + fastest, shape.begin() + fastest + 1, shape.end());
  std::rotate(turned.begin() + fastest, turned.begin() + fastest + 1, turned.end());
  return flatten(shape, turned);
}

// The address of a stored block's elements of `size` bytes, where all positions are linear.
Form Nest::slot_form(const ttir::Value* block, int64_t slot, int64_t size, const Coordinates& at) {
  const Index flat = arena_index(block, slot, at);
  auto [base, added] = terms_.try_emplace("scratch");
  if (added) {
    base->second = module_.fresh();
    before_.line(base->second + " = ptrtoint ptr %scratch to i64");
  }
  Form form = constant_form(0);
  form.base = add({false, 0, base->second}, {true, slot + flat.constant * size, ""});
  for (size_t l = 0; l < loops_.size(); ++l) form.coefficients[l].value = flat.coefficients[l] * size;
  return form;
}

Coordinates Nest::unflatten(const std::vector<int64_t>& shape, const Index& index) {
  Coordinates at(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    at[d] = linear_or_opaque(index, stride, shape[d]);
    stride *= shape[d];
  }
  return at;
}

Coordinates Nest::operand_coordinates(const ttir::Operation& op, size_t operand, const Coordinates& at) {
  const ttir::Value* value = op.operands[operand];
  if (!value->type.tensor) return {};
  switch (op.op) {
    case Op::kExpandDims: {
      Coordinates inner = at;
      inner.erase(inner.begin() + op.integer("axis"));
      return inner;
    }
    case Op::kBroadcast: {
      Coordinates inner = at;
      for (size_t d = 0; d < inner.size(); ++d) {
        if (value->type.shape[d] == op.result()->type.shape[d]) continue;
        inner[d] = Index{};
        inner[d].coefficients.assign(loops_.size(), 0);
      }
      return inner;
    }
    case Op::kTrans: {
      Coordinates inner(at.size());
      for (size_t d = 0; d < at.size(); ++d) inner[static_cast<size_t>(op.order[d])] = at[d];
      return inner;
    }
    case Op::kReshape: {
      const std::string name = key(op.result(), at, copy_);
      if (auto known = mapped_.find(name); known != mapped_.end() && !analysing_) return known->second;
      Coordinates inner = unflatten(value->type.shape, flatten(op.result()->type.shape, at));
      if (!analysing_) mapped_[name] = inner;
      return inner;
    }
    case Op::kSplit: {
      Coordinates inner = at;
      Index side;
      side.coefficients.assign(loops_.size(), 0);
      inner.push_back(side);  // which of the two is chosen by the result, see compute()
      return inner;
    }
    case Op::kJoin: {
      Coordinates inner = at;
      inner.pop_back();
      return inner;
    }
    default:
      return at;
  }
}

Piece Nest::index_piece(const Index& index, int copy) {
  if (!is_linear(index)) return {index.opaque, index.width, index.level};
  int level = 0;
  for (size_t l = 0; l < loops_.size(); ++l)
    if (index.coefficients[l] != 0) level = static_cast<int>(l) + 1;
  const int64_t c = index.coefficients[vector_loop_];
  const int width = c == 0 ? 1 : lanes_;
  const int64_t jump = index.coefficients[copy_loop()];
  const std::string name = key(nullptr, {index}, jump == 0 ? -1 : copy);
  if (auto known = pieces_.find(name); known != pieces_.end()) return known->second;
  Stream& out = stream(level);
  std::string sum = std::to_string(index.constant + jump * copy * copy_step());
  for (size_t l = 0; l < loops_.size(); ++l) {
    if (index.coefficients[l] == 0) continue;
    std::string position = ops_.convert("trunc", kI64, kI32, loops_[l].position, 1, out);
    if (index.coefficients[l] != 1)
      position = ops_.binary("mul", kI32, position, std::to_string(index.coefficients[l]), 1, out);
    sum = sum == "0" ? position : ops_.binary("add", kI32, position, sum, 1, out);
  }
  Piece piece{sum, width, level};
  if (width > 1) {
    std::string lanes = "<";
    for (int i = 0; i < width; ++i) lanes += (i > 0 ? ", i32 " : "i32 ") + std::to_string(i * c);
    piece = widen({sum, 1, level}, kI32);
    piece.level = level;
    piece.text = ops_.binary("add", kI32, piece.text, lanes + ">", width, out);
  }
  return pieces_[name] = piece;
}

}  // namespace fl::compiler
