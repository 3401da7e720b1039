// Which operators need a kernel that the adapter has not made, because a rule sends them elsewhere than where they go
// without one: fl_operator_info.needed.
#include <algorithm>

#include "routing/router.h"

namespace fl::routing {

std::vector<const Rule*> Router::rules_in_force() {
  Settings& now = settings();
  std::vector<const Rule*> all;
  const auto add = [&](const std::vector<Rule>& rules) {
    for (const Rule& rule : rules) all.push_back(&rule);
  };
  add(overrides_);
  add(now.environment);
  add(now.file.rules);
  for (const std::string& driver : catalog_.drivers()) {
    if (!driver.empty()) add(now.shipped(driver, catalog_).rules);
  }
  return all;
}

bool Router::wants_kernel(const Operator& op) {
  for (const std::string& driver : catalog_.drivers()) {
    if (driver.empty()) continue;
    const std::unique_ptr<Slot> probe = new_slot(op.id, catalog_.driver_index(driver));
    const std::unique_ptr<Plan> plan = make_plan(*probe);
    if (!questions_.empty()) continue;  // what is planned now is not what will be
    const auto first = std::find_if(plan->candidates.begin(), plan->candidates.end(), [](const Candidate& candidate) {
      return candidate.state == Candidate::State::kServes;
    });
    const bool nothing_serves = first == plan->candidates.end();
    if (nothing_serves || first->target != initial_chain(op).front()) return true;
    warn_of_absent(*plan);
  }
  return false;
}

void Router::ask_for_kernels() {
  if (kernels_asked_.load(std::memory_order_acquire)) return;
  std::vector<Operator> needed;
  request([&] {
    needed.clear();
    if (settings_ == nullptr && overrides_.empty()) return;  // nothing has been asked for yet
    const std::vector<const Rule*> rules = rules_in_force();
    for (const Operator& op : catalog_.operators()) {
      if (op.has_kernel()) continue;
      const std::vector<int32_t> initial = initial_chain(op);
      const bool named = std::any_of(rules.begin(), rules.end(), [&](const Rule* rule) {
        return rule->chain != initial && match(rule->pattern, op.name) != Match::kNone;
      });
      if (named && wants_kernel(op)) needed.push_back(op);
    }
    require_answers();
    kernels_asked_.store(true, std::memory_order_release);
  });
  for (const Operator& op : needed) op.needed(op.name.c_str());
}

}  // namespace fl::routing
