// Routes: a rule applied to one operator on one driver, as records that calls run on.
//
// A plan says which targets of the chain can serve, which cannot and why. A route is what calls see of a plan: the same
// plan has one route for each set of wrappers. Both are immutable and live as long as their slot. Here is the hot path
// and nothing that takes a lock or reads a file.
#ifndef FLAGOS_ROUTING_ROUTE_H_
#define FLAGOS_ROUTING_ROUTE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flagos/routing.h"
#include "routing/ledger.h"
#include "routing/refusals.h"
#include "routing/rules.h"

namespace fl::routing {

class Router;
struct Slot;
struct Plan;

// One target of the chain, in the order written.
struct Candidate {
  enum class State { kServes, kAbsent, kWrongDriver, kNotThisOperator };
  int32_t target = -1;
  int32_t generation = 0;
  std::string name;
  State state = State::kServes;
  std::string why_not;  // one sentence, for every state but kServes
  uint64_t mask = 0;
  fl_target_run run = nullptr;
  void* data = nullptr;

  bool operator==(const Candidate&) const = default;
};

struct Route : fl_route {
  const Plan* plan;
  uint32_t trace;                // FL_TRACE_* bits
  std::vector<LedgerRow*> rows;  // of the plan's candidates, by index, when counting
};

constexpr uint32_t kTraceBits = FL_TRACE_COUNT | FL_TRACE_LOG | FL_TRACE_SHADOW;

struct Plan {
  Slot* slot;
  Source source;
  Location at;            // of the rule; file "" for the operator's own declaration
  std::string rule_text;  // "mm = flagos, cpu"
  std::string reason;     // the comment beside the rule
  std::vector<Candidate> candidates;
  bool strict;
  bool masked;  // some candidate that serves asks for the call's traits
  // What shadow compares with; nullptr when it is absent.
  fl_target_run reference_run = nullptr;
  void* reference_data = nullptr;
  int32_t reference_target = -1;
  // By [reads refusals][trace bits], made when first asked for, under the router's lock.
  std::array<std::array<std::unique_ptr<Route>, kTraceBits + 1>, 2> routes;

  bool same_as(const Plan& other) const;
  bool names(int32_t target) const;  // in its chain or as the reference
};

// Everything about one operator on one driver that outlives its routes.
struct Slot {
  fl_route_slot shared{nullptr};  // its address is the adapter's
  Router* router;
  int32_t op;
  int32_t driver;
  std::string op_name;
  std::string driver_name;
  Refusals refusals;
  std::atomic<bool> difference_told{false};
  // Under the router's lock: the plan in force, and every other that ever was. An equal plan is found again here, so
  // that switching to and fro does not grow the process.
  Plan* plan = nullptr;
  std::vector<std::unique_ptr<Plan>> plans;
};

// The plan's route for these wrappers. Under the router's lock.
const Route* route_of(Plan& plan, uint32_t trace, Ledger& ledger);

// With a full stop: reasons are said by others, with or without one.
std::string as_sentence(std::string text);

// Why the candidate cannot serve a call with these traits; "" when its mask allows them.
std::string traits_complaint(const Candidate& candidate, uint64_t traits, const Router& router);

// "It is routed by backends.conf:12: mm = flagos, cpu (the comment)."
std::string origin_sentence(const Plan& plan);

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_ROUTE_H_
