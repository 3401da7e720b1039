#include "compiler/analysis/program_groups.h"

#include <set>

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;
using ttir::Value;

// How a value differs between the programs of a group.
struct Kind {
  enum { kSame, kId, kStart, kAlong, kOther } how = kSame;
  int64_t extent = 0;      // kStart: id * extent + what is the same. kAlong: a function of that and the position
  size_t dimension = 0;    // kAlong: the dimension of that position
  std::set<size_t> steps;  // dimensions along which it depends on the position by itself
  bool is_range = false;   // it is the position along its one step
};

class GroupFinder {
 public:
  explicit GroupFinder(size_t axis) : axis_(axis) {}

  std::optional<ProgramGroups> find(const ttir::Function& function) {
    if (function.body->blocks.size() != 1) return std::nullopt;
    std::vector<const Operation*> stores;
    for (const Operation* op : function.body->entry().operations) {
      if (op->op == Op::kReturn) continue;
      if (op->op == Op::kStore) {
        if (!op->operands[0]->type.tensor || kind(op->operands[0]).how != Kind::kAlong) return std::nullopt;
        if (elements(*op).how != Kind::kAlong) return std::nullopt;
        stores.push_back(op);
        continue;
      }
      if (op->results.size() != 1) return std::nullopt;
      Kind result = compute(*op);
      if (result.how == Kind::kOther) return std::nullopt;
      kinds_[op->result()] = std::move(result);
    }
    if (stores.empty()) return std::nullopt;
    for (const Operation* store : stores)
      for (const Value* operand : store->operands)
        if (!grow(operand, kind(store->operands[0]).dimension)) return std::nullopt;
    groups_.extent = extent_;
    return std::move(groups_);
  }

 private:
  static Kind other() {
    Kind kind;
    kind.how = Kind::kOther;
    return kind;
  }

  const Kind& kind(const Value* value) const {
    static const Kind kArgument;
    auto known = kinds_.find(value);
    return known == kinds_.end() ? kArgument : known->second;
  }

  static std::optional<int64_t> number(const Value* value) {
    if (value->producer == nullptr || value->producer->op != Op::kConstant || !value->type.holds_integer())
      return std::nullopt;
    return ttir::sign_extended(value->producer->constant, ttir::bits_of(value->type.scalar));
  }

  // A start and a range of its extent meet in one way; whatever else is added to a start must be the same everywhere.
  Kind sum(const Kind& a, const Kind& b, const ttir::Type& type) {
    const Kind& start = a.how == Kind::kStart ? a : b;
    const Kind& rest = a.how == Kind::kStart ? b : a;
    if (rest.how != Kind::kSame) return other();
    if (rest.steps.empty()) return start;
    if (!rest.is_range) return other();
    Kind along;
    along.how = Kind::kAlong;
    along.extent = start.extent;
    along.dimension = *rest.steps.begin();
    if (type.shape[along.dimension] != along.extent || (extent_ != 0 && extent_ != along.extent)) return other();
    extent_ = along.extent;
    return along;
  }

  Kind elements(const Operation& op) const {
    Kind all;
    for (const Value* operand : op.operands) {
      const Kind& one = kind(operand);
      if (one.how != Kind::kSame && one.how != Kind::kAlong) return other();
      all.steps.insert(one.steps.begin(), one.steps.end());
      if (one.how == Kind::kSame) continue;
      if (all.how == Kind::kAlong && all.dimension != one.dimension) return other();
      all.how = Kind::kAlong;
      all.extent = one.extent;
      all.dimension = one.dimension;
    }
    return all.how == Kind::kAlong && all.steps.contains(all.dimension) ? other() : all;
  }

  Kind compute(const Operation& op) {
    const ttir::Type& type = op.result()->type;
    switch (op.op) {
      case Op::kProgramId: {
        Kind id;
        const std::string axis = op.word("axis");
        if ((axis == "x" ? 0U : axis == "y" ? 1U : 2U) == axis_) id.how = Kind::kId;
        return id;
      }
      case Op::kMakeRange: {
        Kind range;
        range.steps = {0};
        range.is_range = op.integer("start") == 0;
        return range;
      }
      case Op::kExtSI:
        // An id is a number below 2^31; its product may have wrapped.
        if (kind(op.operands[0]).how == Kind::kId || kind(op.operands[0]).is_range) return kind(op.operands[0]);
        break;
      case Op::kMulI:
        for (size_t i = 0; i < 2; ++i) {
          if (kind(op.operands[i]).how != Kind::kId) continue;
          const std::optional<int64_t> extent = number(op.operands[1 - i]);
          if (!extent || *extent <= 0) return other();
          Kind start;
          start.how = Kind::kStart;
          start.extent = *extent;
          return start;
        }
        break;
      case Op::kAddI:
      case Op::kAddPtr: {
        const Kind& a = kind(op.operands[0]);
        const Kind& b = kind(op.operands[1]);
        if (a.how == Kind::kStart || b.how == Kind::kStart) return sum(a, b, type);
        break;
      }
      case Op::kSplat:
        return kind(op.operands[0]).how == Kind::kId ? other() : kind(op.operands[0]);
      case Op::kBroadcast:
        return kind(op.operands[0]);
      case Op::kExpandDims: {
        Kind inner = kind(op.operands[0]);
        const auto axis = static_cast<size_t>(op.integer("axis"));
        if (inner.dimension >= axis) ++inner.dimension;
        std::set<size_t> steps;
        for (size_t d : inner.steps) steps.insert(d < axis ? d : d + 1);
        inner.steps = steps;
        return inner;
      }
      case Op::kTrans: {
        const Kind& before = kind(op.operands[0]);
        Kind after = before;
        after.steps.clear();
        for (size_t d = 0; d < op.order.size(); ++d) {
          const auto from = static_cast<size_t>(op.order[d]);
          if (before.how == Kind::kAlong && from == before.dimension) after.dimension = d;
          if (before.steps.contains(from)) after.steps.insert(d);
        }
        return after;
      }
      case Op::kLoad:
        return op.integer("isVolatile") != 0 ? other() : elements(op);
      default:
        break;
    }
    // After a reshape, the position along a dimension is another one.
    return op.op != Op::kReshape && ttir::maps_elements(op) ? elements(op) : other();
  }

  // Marks a block that is needed at the positions of all programs of a group.
  bool grow(const Value* value, size_t dimension) {
    if (!value->type.tensor || value->type.shape[dimension] == 1 || value->producer == nullptr) return true;
    const Operation& op = *value->producer;
    if (op.op == Op::kConstant || op.op == Op::kSplat || op.op == Op::kMakeRange) return true;
    const auto [known, added] = groups_.dimension.try_emplace(value, dimension);
    if (!added) return known->second == dimension;
    if (op.op == Op::kExpandDims)
      return grow(op.operands[0], dimension - (static_cast<size_t>(op.integer("axis")) < dimension ? 1 : 0));
    if (op.op == Op::kTrans) return grow(op.operands[0], static_cast<size_t>(op.order[dimension]));
    for (const Value* operand : op.operands)
      if (!grow(operand, dimension)) return false;
    return true;
  }

  size_t axis_;
  int64_t extent_ = 0;
  std::unordered_map<const Value*, Kind> kinds_;
  ProgramGroups groups_{};
};

}  // namespace

std::optional<ProgramGroups> find_program_groups(const ttir::Function& function, size_t axis) {
  return GroupFinder(axis).find(function);
}

}  // namespace fl::compiler
