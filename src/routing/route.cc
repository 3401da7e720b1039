// How a call walks its chain: the plain way, the chain way, and the error at its end.
#include "routing/route.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "routing/router.h"
#include "routing/trace.h"

namespace fl::routing {
namespace {

// What the target that has just declined said; taken by the runner at once.
struct Decline {
  std::string why;
  bool remember = false;
};
thread_local Decline t_decline;

// What became of the candidates before the one that runs: a text for each that declined this call, empty strings else.
// It stays without memory until a target declines.
using Declined = std::vector<std::string>;

class Walk {
 public:
  Walk(const Route& route, void* call)
      : route_(route), plan_(*route.plan), slot_(*plan_.slot), adapter_(slot_.router->adapter()), call_(call) {
    if (plan_.masked) traits_ = adapter_.traits(call);
  }

  fl_outcome run() {
    for (size_t i = 0; i < plan_.candidates.size(); ++i) {
      const Candidate& candidate = plan_.candidates[i];
      if (candidate.state != Candidate::State::kServes) continue;
      if ((traits_ & ~candidate.mask) != 0 || refused(candidate) != nullptr) {
        if (plan_.strict) return fail(i);
        continue;
      }
      const fl_outcome outcome = run_one(i);
      if (outcome == FL_ROUTE_DONE) return outcome;
      if (!take_decline(i)) return fail(i);
    }
    return fail(plan_.candidates.size());
  }

  // Goes on after the only candidate of a plain route, at `index`, has declined.
  fl_outcome declined_at(size_t index) {
    take_decline(index);
    return fail(plan_.candidates.size());
  }

 private:
  fl_outcome run_one(size_t index) {
    const Candidate& candidate = plan_.candidates[index];
    t_decline.why.clear();  // what a target may have said and then served the call all the same
    if (route_.trace == 0) return candidate.run(candidate.data, call_);
    const bool logs = (route_.trace & FL_TRACE_LOG) != 0 && tracing_here();
    return run_traced(route_, index, call_, logs ? story(index) : std::string());
  }

  uint64_t signature() {
    if (!has_signature_) {
      signature_ = adapter_.signature(call_);
      has_signature_ = true;
    }
    return signature_;
  }

  const Refusal* refused(const Candidate& candidate) {
    if (slot_.refusals.empty()) return nullptr;
    return slot_.refusals.find(candidate.target, candidate.generation, signature());
  }

  // Keeps what the target said. False when the call must not move on.
  bool take_decline(size_t index) {
    const Candidate& candidate = plan_.candidates[index];
    const Decline decline = std::exchange(t_decline, Decline{});
    declined_.resize(plan_.candidates.size());
    declined_[index] = decline.why.empty() ? "declined without saying why." : as_sentence(decline.why);
    if (plan_.strict) return false;
    if (decline.remember) {
      slot_.router->remember(slot_, {candidate.target, candidate.generation, signature(), declined_[index]});
    }
    return true;
  }

  // Why candidate `index` does not serve this call.
  std::string complaint(size_t index) {
    const Candidate& candidate = plan_.candidates[index];
    if (candidate.state != Candidate::State::kServes) return candidate.why_not;
    if (index < declined_.size() && !declined_[index].empty()) return declined_[index];
    if (std::string traits = traits_complaint(candidate, traits_, *slot_.router); !traits.empty()) return traits;
    if (const Refusal* refusal = refused(candidate)) return "refused such a call before: " + refusal->why;
    return {};
  }

  // One sentence for each candidate before `end` that had something against the call.
  std::string story(size_t end) {
    std::string text;
    for (size_t i = 0; i < end; ++i) {
      const std::string why = complaint(i);
      if (!why.empty()) text += (text.empty() ? "" : " ") + plan_.candidates[i].name + ": " + why;
    }
    return text;
  }

  // No target serves the call: the adapter's exception. `strict_at` is the candidate behind which FLAGOS_STRICT stops.
  fl_outcome fail(size_t strict_at) {
    std::string text = call_text(slot_, call_) + ": no target of its chain can serve this call.";
    for (size_t i = 0; i < plan_.candidates.size(); ++i) {
      std::string why = complaint(i);
      if (why.empty() || i > strict_at) why = "not tried, for FLAGOS_STRICT=1 forbids moving on.";
      text += "\n  " + plan_.candidates[i].name + ": " + why;
    }
    text +=
        "\n" + origin_sentence(plan_) + " Name a target that can at the end of that chain, or try it with FLAGOS_OP_";
    for (char c : slot_.op_name) text += c == '.' ? std::string("__") : std::string(1, c);
    text += "=cpu.";
    set_last_error(std::move(text));
    adapter_.raise(FL_UNSUPPORTED);
    return FL_ROUTE_DECLINED;
  }

  const Route& route_;
  const Plan& plan_;
  Slot& slot_;
  const fl_routing_adapter& adapter_;
  void* call_;
  uint64_t traits_ = 0;
  uint64_t signature_ = 0;
  bool has_signature_ = false;
  Declined declined_;
};

fl_outcome run_chain(const fl_route* route, void* call) { return Walk(*static_cast<const Route*>(route), call).run(); }

[[gnu::noinline]] fl_outcome plain_declined(const fl_route* shared, void* call) {
  const Route& route = *static_cast<const Route*>(shared);
  size_t index = 0;
  while (route.plan->candidates[index].state != Candidate::State::kServes) ++index;
  return Walk(route, call).declined_at(index);
}

fl_outcome run_plain(const fl_route* route, void* call) {
  const fl_outcome outcome = route->head_run(route->head, call);
  if (outcome == FL_ROUTE_DONE) [[likely]]
    return outcome;
  return plain_declined(route, call);
}

}  // namespace

std::string as_sentence(std::string text) {
  if (!text.empty() && text.back() != '.' && text.back() != '?' && text.back() != '!') text += '.';
  return text;
}

bool Plan::same_as(const Plan& other) const {
  return source == other.source && at.file == other.at.file && at.line == other.at.line &&
         at.column == other.at.column && rule_text == other.rule_text && reason == other.reason &&
         candidates == other.candidates && strict == other.strict && reference_run == other.reference_run &&
         reference_data == other.reference_data && reference_target == other.reference_target;
}

bool Plan::names(int32_t target) const {
  const auto is_it = [&](const Candidate& candidate) { return candidate.target == target; };
  return std::any_of(candidates.begin(), candidates.end(), is_it) || reference_target == target;
}

const Route* route_of(Plan& plan, uint32_t trace, Ledger& ledger) {
  const bool reads_refusals = !plan.slot->refusals.empty();
  std::unique_ptr<Route>& route = plan.routes[reads_refusals][trace];
  if (route != nullptr) return route.get();
  route = std::make_unique<Route>();
  route->plan = &plan;
  route->trace = trace;
  if ((trace & FL_TRACE_COUNT) != 0) {
    for (const Candidate& candidate : plan.candidates) {
      route->rows.push_back(ledger.row(plan.slot->op_name, plan.slot->driver_name, candidate.name));
    }
  }
  size_t serving = 0;
  const Candidate* head = nullptr;
  for (const Candidate& candidate : plan.candidates) {
    if (candidate.state != Candidate::State::kServes) continue;
    if (head == nullptr) head = &candidate;
    ++serving;
  }
  const bool plain = serving == 1 && head->mask == ~uint64_t{0} && trace == 0 && !reads_refusals;
  route->head = head == nullptr ? nullptr : head->data;
  route->head_run = head == nullptr ? nullptr : head->run;
  route->plain_target = plain ? head->target : -1;
  route->run = plain ? run_plain : run_chain;
  return route.get();
}

std::string traits_complaint(const Candidate& candidate, uint64_t traits, const Router& router) {
  const uint64_t missing = traits & ~candidate.mask;
  return missing == 0 ? "" : "does not serve: " + router.trait_names(missing) + ".";
}

std::string origin_sentence(const Plan& plan) {
  std::string text = "It is routed by " + (plan.source == Source::kInitial ? "its initial chain" : to_text(plan.at)) +
                     ": " + plan.rule_text;
  if (!plan.reason.empty()) text += "  # " + plan.reason;
  return text + ".";
}

}  // namespace fl::routing

extern "C" void fl_route_decline(const char* why, int32_t remember) {
  fl::guarded([&] {
    fl::routing::t_decline.why = why == nullptr ? "" : why;
    fl::routing::t_decline.remember = remember != 0;
  });
}
