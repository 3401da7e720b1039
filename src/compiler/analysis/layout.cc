#include "compiler/analysis/layout.h"

#include <algorithm>
#include <optional>

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;
using ttir::Region;
using ttir::Value;

constexpr int64_t kShortestStrip = 4;        // positions: a gather of a whole strip beats shorter ones
constexpr int64_t kOfALoop = 8;              // iterations that a loop is taken to have
constexpr int64_t kMost = int64_t{1} << 20;  // that nested loops are

// How far apart neighbours along each dimension are, in elements; nothing where that is not known or not constant.
using Steps = std::vector<std::optional<int64_t>>;

class StepFinder {
 public:
  StepFinder(const ttir::Function& function, const Schedule& schedule, const std::map<size_t, int64_t>& constants)
      : schedule_(schedule) {
    for (const auto& [number, value] : constants) arguments_[function.arguments()[number]] = value;
  }

  Steps of(const Value* value) const {
    if (auto known = steps_.find(value); known != steps_.end()) return known->second;
    if (auto induction = schedule_.inductions.find(value); induction != schedule_.inductions.end())
      return of(induction->second.start);
    return unknown(value->type.shape);
  }

  // In the order of the text.
  void visit(const Operation& op) {
    if (op.results.size() != 1 || !op.result()->type.tensor || op.result()->type.holds_float()) return;
    steps_[op.result()] = compute(op);
  }

 private:
  static Steps unknown(const std::vector<int64_t>& shape) {
    Steps steps;
    for (int64_t extent : shape) steps.push_back(extent == 1 ? std::optional<int64_t>(0) : std::nullopt);
    return steps;
  }

  std::optional<int64_t> number(const Value* block) const {
    const Value* scalar = uniform_source(block);
    if (scalar == nullptr) return std::nullopt;
    if (auto fixed = arguments_.find(scalar); fixed != arguments_.end()) return fixed->second;
    if (scalar->producer == nullptr) return std::nullopt;
    if (scalar->producer->op == Op::kExtSI) return number(scalar->producer->operands[0]);
    if (scalar->producer->op != Op::kConstant || !scalar->type.holds_integer()) return std::nullopt;
    return ttir::sign_extended(scalar->producer->constant, ttir::bits_of(scalar->type.scalar));
  }

  Steps compute(const Operation& op) const {
    const std::vector<int64_t>& shape = op.result()->type.shape;
    auto combined = [&](auto&& each) {
      const Steps a = of(op.operands[0]);
      const Steps b = of(op.operands[1]);
      Steps steps;
      for (size_t d = 0; d < shape.size(); ++d) {
        std::optional<int64_t> step;
        if (int64_t sum = 0; a[d] && b[d] && !each(*a[d], *b[d], &sum)) step = sum;
        steps.push_back(step);
      }
      return steps;
    };
    auto scaled = [&](Steps steps, std::optional<int64_t> by) {
      for (std::optional<int64_t>& step : steps) {
        if (!step || *step == 0) continue;
        int64_t product = 0;
        step = by && !__builtin_mul_overflow(*step, *by, &product) ? std::optional<int64_t>(product) : std::nullopt;
      }
      return steps;
    };
    switch (op.op) {
      case Op::kConstant:
      case Op::kSplat:
        return Steps(shape.size(), 0);
      case Op::kMakeRange:
        return {1};
      case Op::kExpandDims: {
        Steps steps = of(op.operands[0]);
        steps.insert(steps.begin() + op.integer("axis"), 0);
        return steps;
      }
      case Op::kBroadcast: {
        Steps steps = of(op.operands[0]);
        for (size_t d = 0; d < shape.size(); ++d)
          if (op.operands[0]->type.shape[d] != shape[d]) steps[d] = 0;
        return steps;
      }
      case Op::kTrans: {
        const Steps before = of(op.operands[0]);
        Steps steps;
        for (int64_t from : op.order) steps.push_back(before[static_cast<size_t>(from)]);
        return steps;
      }
      case Op::kAddI:
      case Op::kAddPtr:
        return combined([](int64_t a, int64_t b, int64_t* sum) { return __builtin_add_overflow(a, b, sum); });
      case Op::kSubI:
        return combined([](int64_t a, int64_t b, int64_t* sum) { return __builtin_sub_overflow(a, b, sum); });
      case Op::kMulI:
        if (uniform_source(op.operands[1]) != nullptr) return scaled(of(op.operands[0]), number(op.operands[1]));
        if (uniform_source(op.operands[0]) != nullptr) return scaled(of(op.operands[1]), number(op.operands[0]));
        return unknown(shape);
      case Op::kExtSI:
      case Op::kExtUI:
      case Op::kTruncI:
        return of(op.operands[0]);
      case Op::kBitcast:
        return ttir::bytes_of(op.operands[0]->type.scalar) == ttir::bytes_of(op.result()->type.scalar)
                   ? of(op.operands[0])
                   : unknown(shape);
      case Op::kRemSI:  // as long as it does not wrap, which is mostly
      case Op::kRemUI:
        return uniform_source(op.operands[1]) != nullptr ? of(op.operands[0]) : unknown(shape);
      case Op::kDivSI:  // mostly the same for neighbours
      case Op::kDivUI:
        if (uniform_source(op.operands[1]) == nullptr) return unknown(shape);
        return scaled(of(op.operands[0]), 0);
      default:
        return unknown(shape);
    }
  }

  const Schedule& schedule_;
  std::unordered_map<const Value*, int64_t> arguments_;
  std::unordered_map<const Value*, Steps> steps_;
};

class Finder {
 public:
  Finder(const ttir::Function& function, const Schedule& schedule, const std::map<size_t, int64_t>& constants)
      : steps_(function, schedule, constants) {
    region(*function.body, 1);
  }

  std::unordered_map<const Value*, size_t> run() {
    // A result without a preference of its own follows what it is reduced from.
    for (const Operation* reduce : reductions_) {
      const auto axis = static_cast<size_t>(reduce->integer("axis"));
      const size_t from = fastest(reduce->operands[0]);
      if (from == axis) continue;
      for (const Value* result : reduce->results) {
        Votes& votes = votes_[root(result)];
        if (!votes.any) votes.by_dimension[from - (axis < from ? 1 : 0)] += 1;
      }
    }
    std::unordered_map<const Value*, size_t> found;
    for (const auto& [value, parent] : parents_) {
      const size_t dimension = fastest(value);
      if (dimension != last_dimension(value->type.shape)) found[value] = dimension;
    }
    return found;
  }

 private:
  struct Votes {
    std::map<size_t, int64_t> by_dimension;
    bool any = false;   // by loads and stores
    bool last = false;  // whatever was voted
  };

  size_t fastest(const Value* value) {
    const size_t last = last_dimension(value->type.shape);
    auto votes = votes_.find(root(value));
    if (votes == votes_.end() || votes->second.last) return last;
    size_t best = last;
    int64_t most = votes->second.by_dimension[last];
    for (const auto& [dimension, count] : votes->second.by_dimension) {
      if (count <= most) continue;
      best = dimension;
      most = count;
    }
    return best;
  }

  const Value* root(const Value* value) {
    auto known = parents_.try_emplace(value, value).first;
    while (known->second != known->first) {
      auto above = parents_.find(known->second);
      known->second = above->second;
      known = above;
    }
    return known->first;
  }

  // Constants and repeated scalars may serve blocks that have nothing to do with each other.
  void link(const Value* a, const Value* b) {
    for (const Value* value : {a, b}) {
      if (!value->type.tensor || value->type.shape.size() < 2 || value->type.shape != a->type.shape) return;
      if (value->producer != nullptr && (value->producer->op == Op::kConstant || value->producer->op == Op::kSplat))
        return;
    }
    const Value* root_a = root(a);
    const Value* root_b = root(b);
    if (root_a == root_b) return;
    parents_[root_b] = root_a;
    auto votes = votes_.find(root_b);
    if (votes == votes_.end()) return;
    const Votes moved = votes->second;
    votes_.erase(votes);
    Votes& into = votes_[root_a];
    for (const auto& [dimension, count] : moved.by_dimension) into.by_dimension[dimension] += count;
    into.any = into.any || moved.any;
    into.last = into.last || moved.last;
  }

  void vote(const Value* pointers, const Value* moved, int64_t weight) {
    const std::vector<int64_t>& shape = moved->type.shape;
    if (!moved->type.tensor || shape.size() < 2) return;
    const Steps steps = steps_.of(pointers);
    for (size_t d = shape.size(); d-- > 0;) {
      if (shape[d] < kShortestStrip || steps[d] != 1) continue;
      Votes& votes = votes_[root(moved)];
      votes.by_dimension[d] += weight;
      votes.any = true;
      return;
    }
  }

  void region(const Region& inner, int64_t weight) {
    for (const ttir::Block* block : inner.blocks)
      for (const Operation* op : block->operations) operation(*op, weight);
  }

  void operation(const Operation& op, int64_t weight) {
    steps_.visit(op);
    switch (op.op) {
      case Op::kLoad:
        vote(op.operands[0], op.result(), weight);
        return link_all(op);
      case Op::kStore:
        vote(op.operands[0], op.operands[1], weight);
        return link_all(op);
      case Op::kReduce:
        for (const Value* operand : op.operands) link(op.operands[0], operand);
        for (const Value* result : op.results) link(op.results[0], result);
        if (op.results[0]->type.tensor) reductions_.push_back(&op);
        return;
      case Op::kDot:  // products read and add to row-major blocks
        for (const Value* value : {op.operands[0], op.operands[1], op.operands[2], op.results[0]})
          votes_[root(value)].last = true;
        return link(op.operands[2], op.result());
      case Op::kFor: {
        region(*op.regions[0], std::min(weight * kOfALoop, kMost));
        const ttir::Block& body = op.regions[0]->entry();
        for (size_t i = 0; i < op.results.size(); ++i) {
          for (const Value* value : {op.operands[i + 3], body.arguments[i + 1], body.terminator()->operands[i]})
            link(op.results[i], value);
        }
        return;
      }
      case Op::kIf:
        for (const Region* side : op.regions) {
          region(*side, weight);
          for (size_t i = 0; i < op.results.size(); ++i) link(op.results[i], side->entry().terminator()->operands[i]);
        }
        return;
      case Op::kWhile: {
        for (const Region* part : op.regions) region(*part, std::min(weight * kOfALoop, kMost));
        const ttir::Block& test = op.regions[0]->entry();
        const ttir::Block& body = op.regions[1]->entry();
        for (size_t i = 0; i < test.arguments.size(); ++i) {
          link(test.arguments[i], op.operands[i]);
          link(test.arguments[i], body.terminator()->operands[i]);
        }
        for (size_t i = 0; i < op.results.size(); ++i) {
          link(op.results[i], test.terminator()->operands[i + 1]);
          link(op.results[i], body.arguments[i]);
        }
        return;
      }
      case Op::kMakeRange:
      case Op::kExpandDims:
      case Op::kBroadcast:
      case Op::kReshape:
      case Op::kTrans:
      case Op::kJoin:
      case Op::kSplit:
      case Op::kCat:
      case Op::kGather:
      case Op::kHistogram:
        return;
      default:
        return link_all(op);
    }
  }

  void link_all(const Operation& op) {
    const Value* first = op.results.empty() ? op.operands.empty() ? nullptr : op.operands[0] : op.results[0];
    if (first == nullptr) return;
    for (const Value* operand : op.operands) link(first, operand);
    for (const Value* result : op.results) link(first, result);
  }

  StepFinder steps_;
  std::unordered_map<const Value*, const Value*> parents_;
  std::unordered_map<const Value*, Votes> votes_;
  std::vector<const Operation*> reductions_;
};

}  // namespace

size_t last_dimension(const std::vector<int64_t>& shape) {
  size_t last = shape.size() - 1;
  while (last > 0 && shape[last] == 1) --last;
  return last;
}

Layout::Layout(const ttir::Function& function, const Schedule& schedule, const std::map<size_t, int64_t>& constants)
    : fastest_(Finder(function, schedule, constants).run()) {}

size_t Layout::fastest(const Value* block) const {
  auto found = fastest_.find(block);
  return found == fastest_.end() ? last_dimension(block->type.shape) : found->second;
}

}  // namespace fl::compiler
