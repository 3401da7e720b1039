#include "compiler/analysis/schedule.h"

#include <algorithm>
#include <map>
#include <set>

namespace fl::compiler {

using ttir::Op;

namespace {

using ttir::Block;
using ttir::Effect;
using ttir::Operation;
using ttir::Region;
using ttir::Value;

constexpr int kWorthStoring = 12;  // as strip_cost: about what writing and reading a strip costs
constexpr int kLargestNest = 400;  // a nest of more is split
constexpr size_t kManySites = 4;
constexpr uint64_t kLongRun = 128;  // positions

struct Sites {
  std::set<int> some;
  void add(int site) {
    if (some.size() < kManySites || some.contains(site)) {
      some.insert(site);
    } else if (site > *some.rbegin()) {  // the last one decides lifetimes, the number only whether there are several
      some.erase(std::prev(some.end()));
      some.insert(site);
    }
  }
  void add(const Sites& other) {
    for (int site : other.some) add(site);
  }
};

class Scheduler {
 public:
  Schedule run(const ttir::Function& function) {
    number(*function.body);
    for (const Block* block : function.body->blocks) group_stores(*block);
    find_inductions();
    weigh();
    for (auto op = order_.rbegin(); op != order_.rend(); ++op) visit(**op);
    return std::move(schedule_);
  }

 private:
  void number(const Region& region) {
    for (const Block* block : region.blocks) {
      for (const Operation* op : block->operations) {
        schedule_.position[op] = static_cast<int>(order_.size());
        for (const Value* operand : op->operands) ++schedule_.uses[operand];
        order_.push_back(op);
        const bool combines = op->op == Op::kReduce || op->op == Op::kScan;
        if (op->op == Op::kStore || op->op == Op::kAtomicRmw || op->op == Op::kAtomicCas)
          clobbers_.push_back(schedule_.position[op]);
        if (!combines)
          for (const Region* inner : op->regions) number(*inner);
        schedule_.end[op] = static_cast<int>(order_.size()) - 1;
      }
    }
  }

  static bool blocks_a_group(const Operation& op) {
    return ttir::row_of(op.op).effect != Effect::kPure || op.op == Op::kReduce || op.op == Op::kScan ||
           op.op == Op::kDot || op.op == Op::kHistogram;
  }

  void group_stores(const Block& block) {
    std::vector<const Operation*> group;
    auto close = [&] {
      if (!group.empty()) schedule_.store_groups[group.back()] = group;
      for (const Operation* member : group) leader_[member] = group.back();
      group.clear();
    };
    for (const Operation* op : block.operations) {
      if (op->op == Op::kStore && op->operands[0]->type.tensor) {
        if (!group.empty() && group.back()->operands[0]->type.shape != op->operands[0]->type.shape) close();
        group.push_back(op);
      } else if (blocks_a_group(*op)) {
        close();
      }
      if (op->op != Op::kReduce && op->op != Op::kScan) {
        for (const Region* inner : op->regions)
          for (const Block* nested : inner->blocks) group_stores(*nested);
      }
    }
    close();
  }

  void find_inductions() {
    for (const Operation* op : order_) {
      if (op->op != Op::kFor) continue;
      const Block& body = op->regions[0]->entry();
      const Operation& yield = *body.terminator();
      for (size_t i = 0; i < op->results.size(); ++i) {
        const Value* argument = body.arguments[i + 1];
        const Operation* step = yield.operands[i]->producer;
        if (!argument->type.tensor || step == nullptr || (step->op != Op::kAddPtr && step->op != Op::kAddI)) continue;
        if (step->operands[0] != argument || uniform_source(step->operands[1]) == nullptr) continue;
        const Induction induction{op->operands[i + 3], step};
        schedule_.inductions[argument] = induction;
        schedule_.inductions[op->results[i]] = induction;
      }
    }
  }

  // The last position at which a value defined at `from` may be read for the site: the end of the outermost loop round
  // the site that does not hold the definition.
  int reach(const Operation& definition, int site) const {
    int last = site;
    const Operation* at = order_[static_cast<size_t>(site)];
    for (const Operation* outer = at->parent->parent->parent; outer != nullptr; outer = outer->parent->parent->parent) {
      const int start = schedule_.position.at(outer);
      const int own = schedule_.position.at(&definition);
      if (start < own && own <= schedule_.end.at(outer)) break;
      if (outer->op == Op::kFor || outer->op == Op::kWhile) last = schedule_.end.at(outer);
    }
    return last;
  }

  bool clobbered(const Operation& load, int site) const {
    const int from = schedule_.position.at(&load);
    const int to = reach(load, site);
    const Operation* at = order_[static_cast<size_t>(site)];
    auto group = schedule_.store_groups.find(at);
    for (auto clobber = std::upper_bound(clobbers_.begin(), clobbers_.end(), from);
         clobber != clobbers_.end() && *clobber <= to; ++clobber) {
      const Operation* writer = order_[static_cast<size_t>(*clobber)];
      const bool own =
          to == site &&
          (writer == at || (group != schedule_.store_groups.end() &&
                            std::find(group->second.begin(), group->second.end(), writer) != group->second.end()));
      if (!own) return true;
    }
    return false;
  }

  // In the order of the text: what computing a block costs from memory or from stored blocks on, counting what is
  // shared as often as it is used. Expressions that grow too large are cut here, which keeps nests small.
  void weigh() {
    for (const Operation* op : order_) {
      const bool site = blocks_a_group(*op) && op->op != Op::kLoad;
      int total = strip_cost(*op);
      for (const Value* operand : op->operands) {
        auto known = costs_.find(operand);
        if (operand->type.tensor) total += known == costs_.end() ? 1 : known->second;
      }
      for (const Value* result : op->results) {
        if (!result->type.tensor) continue;
        const bool large = !site && total > kLargestNest && !result->type.pointer;
        if (large) store(result, "its expression is so large that it is computed apart");
        costs_[result] = site || large ? 1 : total;
      }
    }
  }

  void store(const Value* value, const char* why) {
    schedule_.stored.insert(value);
    schedule_.why_stored.emplace(value, why);
  }

  void need(const Value* value, int site) {
    if (value->type.tensor) sites_[value].add(site);
  }

  void visit(const Operation& op) {
    const int here = schedule_.position[&op];
    for (const Value* result : op.results) decide(op, result);
    if (op.op == Op::kGather) gathered_.insert(op.operands[0]);  // read at positions that are not known
    switch (op.op) {
      case Op::kStore: {
        auto leader = leader_.find(&op);
        for (const Value* operand : op.operands)
          need(operand, leader == leader_.end() ? here : schedule_.position[leader->second]);
        return;
      }
      case Op::kFor:
        for (size_t i = 3; i < op.operands.size(); ++i) {
          const Value* argument = op.regions[0]->entry().arguments[i - 2];
          if (schedule_.inductions.contains(argument)) {
            sites_[op.operands[i]].add(sites_[argument]);
            sites_[op.operands[i]].add(sites_[op.results[i - 3]]);
          } else {
            need(op.operands[i], here);
          }
        }
        return;
      case Op::kYield: {
        const Operation* parent = op.parent->parent->parent;
        for (size_t i = 0; i < op.operands.size(); ++i) {
          const bool induction = parent->op == Op::kFor && schedule_.inductions.contains(parent->results[i]);
          if (!induction) need(op.operands[i], here);
        }
        return;
      }
      default:
        break;
    }
    const bool site = blocks_a_group(op) && op.op != Op::kLoad;
    const bool lazy =
        !site && !op.results.empty() && op.results[0]->type.tensor && !schedule_.stored.contains(op.results[0]);
    for (const Value* operand : op.operands) {
      if (!operand->type.tensor) continue;
      if (lazy) {
        for (const Value* result : op.results) sites_[operand].add(sites_[result]);
      } else {
        need(operand, here);
      }
    }
  }

  // Whether a block is computed from quotients by a large number alone, and so is the same over many positions. Nests
  // compute it once for these.
  bool has_long_runs(const Value* value) {
    if (value->type.tensor && value->type.shape.size() != 1) return false;
    if (uniform_source(value) != nullptr) return true;
    if (value->producer == nullptr) return false;
    const Operation& op = *value->producer;
    if (op.op == Op::kDivSI || op.op == Op::kDivUI) {
      const Value* by = uniform_source(op.operands[1]);
      if (by != nullptr && by->producer != nullptr && by->producer->op == Op::kConstant)
        return by->producer->constant >= kLongRun;
    }
    auto [known, added] = long_runs_.try_emplace(value, false);
    if (!added) return known->second;
    const bool by_elements = op.op == Op::kLoad || (ttir::maps_elements(op) && !op.operands.empty());
    const bool has = by_elements && std::all_of(op.operands.begin(), op.operands.end(),
                                                [this](const Value* operand) { return has_long_runs(operand); });
    return long_runs_[value] = has;
  }

  void decide(const Operation& op, const Value* value) {
    if (!value->type.tensor) return;
    const Sites& sites = sites_[value];
    const int here = schedule_.position[&op];
    int last = here;
    bool repeated = sites.some.size() > 1;
    bool overwritten = false;
    for (int site : sites.some) {
      const int until = reach(op, site);
      last = std::max(last, until);
      repeated = repeated || until != site;
      overwritten = overwritten || (op.op == Op::kLoad && clobbered(op, site));
    }
    schedule_.last_use[value] = last;
    const bool always = op.op == Op::kReduce || op.op == Op::kScan || op.op == Op::kDot || op.op == Op::kHistogram ||
                        op.op == Op::kAtomicRmw || op.op == Op::kAtomicCas || !op.regions.empty();
    if (always) return;  // their lowering makes memory for the result
    const bool worth = repeated && costs_[value] >= kWorthStoring && !value->type.pointer && !has_long_runs(value);
    const bool is_volatile = op.op == Op::kLoad && op.integer("isVolatile") != 0;
    if (overwritten) store(value, "a store may write what it reads before all of its users have read it");
    if (is_volatile) store(value, "it is volatile");
    if (gathered_.contains(value)) store(value, "tt.gather reads it at positions that are not known");
    if (worth) store(value, "several nests, or a loop around one, need it, and it costs more than reading it back");
  }

  Schedule schedule_;
  std::vector<const Operation*> order_;
  std::vector<int> clobbers_;
  std::unordered_map<const Operation*, const Operation*> leader_;
  std::unordered_map<const Value*, Sites> sites_;
  std::unordered_map<const Value*, int> costs_;
  std::unordered_set<const Value*> gathered_;
  std::unordered_map<const Value*, bool> long_runs_;
};

}  // namespace

int strip_cost(const ttir::Operation& op) {
  switch (op.op) {
    case Op::kConstant:
    case Op::kMakeRange:
    case Op::kSplat:
    case Op::kExpandDims:
    case Op::kBroadcast:
    case Op::kReshape:
    case Op::kTrans:
    case Op::kAddI:
    case Op::kSubI:
    case Op::kMulI:
    case Op::kAndI:
    case Op::kCmpI:
    case Op::kAddPtr:
    case Op::kExtSI:
    case Op::kTruncI:
    case Op::kBitcast:
      return 0;
    case Op::kLoad:
    case Op::kMulHiUI:
    case Op::kDivF:
    case Op::kSqrt:
      return 3;
    case Op::kDivSI:
    case Op::kDivUI:
    case Op::kRemSI:
    case Op::kRemUI:
    case Op::kRsqrt:
      return 8;
    case Op::kExp:
    case Op::kExp2:
    case Op::kLog:
    case Op::kLog2:
    case Op::kSin:
    case Op::kCos:
    case Op::kErf:
    case Op::kTanh:
      return 12;
    case Op::kExtern:
      return 20;
    default:
      return 1;
  }
}

const Value* uniform_source(const Value* block) {
  while (block->type.tensor) {
    if (block->producer == nullptr) return nullptr;
    switch (block->producer->op) {
      case Op::kConstant:
        return block;
      case Op::kSplat:
        return block->producer->operands[0];
      case Op::kBroadcast:
      case Op::kExpandDims:
      case Op::kReshape:
      case Op::kTrans:
        block = block->producer->operands[0];
        break;
      default:
        return nullptr;
    }
  }
  return block;
}

Schedule make_schedule(const ttir::Function& function) { return Scheduler().run(function); }

}  // namespace fl::compiler
