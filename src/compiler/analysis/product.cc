#include "compiler/analysis/product.h"

#include <algorithm>
#include <unordered_set>

namespace fl::compiler {
namespace {

using ttir::Block;
using ttir::Effect;
using ttir::Op;
using ttir::Operation;
using ttir::Region;
using ttir::Syntax;
using ttir::Value;

void collect(const Region& region, Users* users) {
  for (const Block* block : region.blocks) {
    for (const Operation* op : block->operations) {
      for (const Value* operand : op->operands) (*users)[operand].push_back(op);
      for (const Region* inner : op->regions) collect(*inner, users);
    }
  }
}

bool synchronises(const Region& region) {
  for (const Block* block : region.blocks) {
    for (const Operation* op : block->operations) {
      const bool is_volatile = op->op == Op::kLoad && op->integer("isVolatile") != 0;
      if (is_volatile || op->op == Op::kAtomicRmw || op->op == Op::kAtomicCas || op->op == Op::kBarrier) return true;
      for (const Region* inner : op->regions)
        if (synchronises(*inner)) return true;
    }
  }
  return false;
}

bool stores_before(const Region& region, int position, const Schedule& schedule) {
  for (const Block* block : region.blocks) {
    for (const Operation* op : block->operations) {
      auto own = schedule.position.find(op);
      if (own == schedule.position.end()) continue;  // in the region of a reduction
      if (own->second >= position) return false;
      if (op->op == Op::kStore) return true;
      for (const Region* inner : op->regions)
        if (stores_before(*inner, position, schedule)) return true;
    }
  }
  return false;
}

// One result of the shape of its operands, each element from the elements at its place.
bool is_elementwise(const Operation& op) {
  const ttir::OpRow& row = ttir::row_of(op.op);
  if (row.effect != Effect::kPure || op.results.size() != 1 || !op.regions.empty()) return false;
  return row.syntax != Syntax::kOwn || op.op == Op::kSelect || op.op == Op::kFpToFp || op.op == Op::kExtern;
}

// A scalar made of the kernel's arguments alone.
bool same_in_all_programs(const Value* value) {
  const Operation* producer = value->producer;
  if (producer == nullptr) return value->owner->parent->parent == nullptr;
  if (producer->op == Op::kProgramId || ttir::row_of(producer->op).effect != Effect::kPure) return false;
  return producer->regions.empty() && std::all_of(producer->operands.begin(), producer->operands.end(),
                                                  [](const Value* v) { return same_in_all_programs(v); });
}

class DeciderFinder {
 public:
  DeciderFinder(const Operation* loop, const Schedule& schedule) : loop_(loop), schedule_(schedule) {}
  bool walk(const Value* value) {
    if (!seen_.insert(value).second) return true;
    const Operation* producer = value->producer;
    if (producer == nullptr) return argument(value);
    if (!value->type.tensor && !inside(*producer)) {
      if (!same_in_all_programs(value)) found.push_back(value);
      return true;
    }
    if (!producer->regions.empty() || producer->op == Op::kDot) return false;
    const bool reads = producer->op == Op::kLoad && producer->integer("isVolatile") == 0;
    if (ttir::row_of(producer->op).effect != Effect::kPure && !reads) return false;
    return std::all_of(producer->operands.begin(), producer->operands.end(),
                       [this](const Value* v) { return walk(v); });
  }
  std::vector<const Value*> found;

 private:
  bool inside(const Operation& op) const {
    if (loop_ == nullptr) return false;
    const int own = schedule_.position.at(&op);
    return own > schedule_.position.at(loop_) && own <= schedule_.end.at(loop_);
  }
  bool argument(const Value* value) {
    const Operation* owner = value->owner->parent->parent;
    if (owner == nullptr) return true;  // of the kernel
    if (owner != loop_) {
      if (value->type.tensor || (loop_ != nullptr && inside(*owner))) return false;
      found.push_back(value);
      return true;
    }
    const size_t place = static_cast<size_t>(value->index);
    if (place == 0) return walk(loop_->operands[0]) && walk(loop_->operands[2]);
    return walk(loop_->operands[place + 2]) && walk(value->owner->terminator()->operands[place - 1]);
  }

  const Operation* loop_;
  const Schedule& schedule_;
  std::unordered_set<const Value*> seen_;
};

bool collect_masks(const Value* sum, const Users& users, std::unordered_set<const Value*>* seen,
                   std::vector<const Value*>* masks) {
  if (!seen->insert(sum).second) return true;
  auto own = users.find(sum);
  if (own == users.end()) return true;
  for (const Operation* user : own->second) {
    if (user->op == Op::kStore) {
      if (user->operands[1] != sum || user->operands.size() < 3 || !user->operands[2]->type.tensor) return false;
      masks->push_back(user->operands[2]);
    } else if (user->op == Op::kYield) {
      const Operation* loop = user->parent->parent->parent;
      if (loop->op != Op::kFor) return false;
      for (size_t i = 0; i < user->operands.size(); ++i) {
        if (user->operands[i] != sum) continue;
        if (!collect_masks(loop->results[i], users, seen, masks)) return false;
        if (!collect_masks(loop->regions[0]->entry().arguments[i + 1], users, seen, masks)) return false;
      }
    } else if (is_elementwise(*user) ||
               (user->op == Op::kDot && user->operands[0] != sum && user->operands[1] != sum)) {
      if (!collect_masks(user->result(), users, seen, masks)) return false;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

Users find_users(const ttir::Function& function) {
  Users users;
  collect(*function.body, &users);
  return users;
}

const Operation* deferring_loop(const Operation& dot, const Users& users) {
  const Value* sum = dot.operands[2];
  const Operation* loop = dot.parent->parent->parent;
  if (loop == nullptr || loop->op != Op::kFor || sum->owner != dot.parent || sum->index == 0) return nullptr;
  auto of_result = users.find(dot.result());
  const Operation& yield = *dot.parent->terminator();
  const bool only = users.at(sum).size() == 1 && of_result != users.end() && of_result->second.size() == 1 &&
                    yield.operands[static_cast<size_t>(sum->index) - 1] == dot.result();
  return only ? loop : nullptr;
}

std::optional<std::vector<const Value*>> deciders(const Value* block, const Operation* loop, const Schedule& schedule) {
  DeciderFinder finder(loop, schedule);
  if (!finder.walk(block)) return std::nullopt;
  if (loop != nullptr) {  // which iterations there are
    for (size_t i = 0; i < 3; ++i)
      if (!finder.walk(loop->operands[i])) return std::nullopt;
  }
  return finder.found;
}

bool may_keep_factors(const ttir::Function& function, const Operation& at, const Schedule& schedule) {
  for (const Operation* outer = at.parent->parent->parent; outer != nullptr; outer = outer->parent->parent->parent)
    if (outer->op == Op::kFor || outer->op == Op::kWhile) return false;
  return !synchronises(*function.body) && !stores_before(*function.body, schedule.end.at(&at) + 1, schedule);
}

bool only_reads(const Operation& loop) {
  for (const Region* region : loop.regions) {
    for (const Block* block : region->blocks) {
      for (const Operation* op : block->operations) {
        const bool writes = ttir::row_of(op->op).effect == Effect::kWrite && op->op != Op::kAssume;
        const bool is_volatile = op->op == Op::kLoad && op->integer("isVolatile") != 0;
        if (writes || is_volatile || !only_reads(*op)) return false;
      }
    }
  }
  return true;
}

std::optional<std::vector<const Value*>> masks_of_uses(const Value* sum, const Users& users) {
  std::unordered_set<const Value*> seen;
  std::vector<const Value*> masks;
  if (!collect_masks(sum, users, &seen, &masks) || masks.empty()) return std::nullopt;
  return masks;
}

const Operation* only_store(const Operation& dot, const Operation* loop, const Users& users) {
  auto is_quiet = [](const Operation* op) {
    const Effect effect = ttir::row_of(op->op).effect;
    return effect == Effect::kPure || op->op == Op::kYield || op->op == Op::kAssume;
  };
  auto following = [](const Operation& op) {
    const std::vector<Operation*>& all = op.parent->operations;
    return std::find(all.begin(), all.end(), &op) + 1;
  };
  const Value* sum = dot.result();
  if (loop != nullptr) {
    const std::vector<Operation*>& body = dot.parent->operations;
    if (!std::all_of(following(dot), body.end(), is_quiet)) return nullptr;
    if (std::count_if(body.begin(), body.end(), [](const Operation* op) { return op->op == Op::kDot; }) != 1)
      return nullptr;
    sum = loop->results[static_cast<size_t>(dot.operands[2]->index) - 1];
  }
  auto only_user = [&users](const Value* value) -> const Operation* {
    auto own = users.find(value);
    return own != users.end() && own->second.size() == 1 ? own->second[0] : nullptr;
  };
  const Operation* user = only_user(sum);
  if (user != nullptr && user->op == Op::kTruncF) {
    sum = user->result();
    user = only_user(sum);
  }
  const Operation& from = loop != nullptr ? *loop : dot;
  if (user == nullptr || user->op != Op::kStore || user->operands[1] != sum || user->parent != from.parent)
    return nullptr;
  const std::vector<Operation*>& all = from.parent->operations;
  return std::all_of(following(from), std::find(all.begin(), all.end(), user), is_quiet) ? user : nullptr;
}

}  // namespace fl::compiler
