// Declaring, choosing and publishing. Whatever can fail does so before anything is put in force.
#include "routing/router.h"

#include <algorithm>

#include "base/env.h"
#include "base/log.h"
#include "base/text.h"

namespace fl::routing {
namespace {

const fl_routing_adapter kNoAdapter{};

// Puts back what a request had changed for planning, unless it came through.
template <class Value>
class Restore {
 public:
  Restore(Value& now, Value& before) : now_(now), before_(before) {}
  ~Restore() {
    if (!done_) std::swap(now_, before_);
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  void done() { done_ = true; }

 private:
  Value& now_;
  Value& before_;
  bool done_ = false;
};

}  // namespace

Router::Session::Session(Router& router) : router_(router) { router.mutex_.lock(); }

Router::Session::~Session() {
  const auto notices = std::exchange(router_.notices_, {});
  router_.mutex_.unlock();
  for (const auto& [level, text] : notices) log(level, "%s", text.c_str());
}

Router::Router() : adapter_(&kNoAdapter) {}
Router::~Router() = default;

Router& Router::process() {
  static Router* const router = new Router;  // never destroyed: calls may run while the process ends
  return *router;
}

void Router::answer_questions() {
  struct Asked {
    Question question;
    int32_t (*serves)(void*, const char*, const char*, char*, size_t);
    void* data;
    std::string op, driver;
  };
  std::vector<Asked> open;
  {
    const std::lock_guard lock(mutex_);
    for (const Question& question : std::exchange(questions_, {})) {
      const Target& target = catalog_.targets()[static_cast<size_t>(question.target)];
      if (target.generation != question.generation) continue;  // declared anew meanwhile: the request asks again
      open.push_back({question, target.serves, target.data, catalog_.operators()[static_cast<size_t>(question.op)].name,
                      catalog_.drivers()[static_cast<size_t>(question.driver)]});
    }
  }
  std::vector<std::pair<Question, std::string>> answers;
  for (const Asked& asked : open) {
    char why[512] = "";
    const bool serves = asked.serves(asked.data, asked.op.c_str(), asked.driver.c_str(), why, sizeof why) != 0;
    why[sizeof why - 1] = '\0';
    answers.emplace_back(asked.question, serves ? "" : *why == '\0' ? "it does not have this operator" : why);
  }
  const std::lock_guard lock(mutex_);
  for (auto& [question, why] : answers) answers_.insert_or_assign(question, std::move(why));
}

void Router::require_answers() const {
  if (!questions_.empty()) throw Unanswered{};
}

int32_t Router::declare_driver(int32_t index, const char* name) {
  const Session session(*this);
  catalog_.declare_driver(index, name == nullptr ? "" : name);
  return index;
}

int32_t Router::declare_target(const fl_target_info& info) {
  int32_t id = -1;
  {
    const Session session(*this);
    id = catalog_.declare_target(info);
    warned_of_.erase(id);
    if (catalog_.targets()[static_cast<size_t>(id)].generation == 0) return id;  // no route can have it yet
  }
  request([&] { rebuild([&](const Slot& slot) { return slot.plan->names(id); }); });
  kernels_asked_ = false;
  ask_for_kernels();
  return id;
}

int32_t Router::declare_operator(const fl_operator_info& info) {
  const Session session(*this);
  return catalog_.declare_operator(info);
}

void Router::name_trait(int32_t bit, const char* name) {
  const Session session(*this);
  catalog_.name_trait(bit, name);
}

void Router::set_adapter(const fl_routing_adapter& adapter) {
  const Session session(*this);
  if (adapter.struct_size < sizeof adapter) {
    fl::fail(FL_INVALID_ARGUMENT, "fl_routing_adapter has struct_size %zu where %zu is the least.", adapter.struct_size,
             sizeof adapter);
  }
  adapters_.push_back(std::make_unique<const fl_routing_adapter>(adapter));
  adapter_.store(adapters_.back().get(), std::memory_order_release);
}

void Router::set_shipped_folder(const char* folder) {
  const Session session(*this);
  const std::string name = folder == nullptr ? "" : folder;
  if (settings_ != nullptr && name != shipped_folder_) {
    fl::fail(FL_INVALID_ARGUMENT,
             "the shipped folder was set to '%s' after the conf files had been read; set it before the first call.",
             name.c_str());
  }
  shipped_folder_ = name;
}

Settings& Router::settings() {
  if (settings_ != nullptr) return *settings_;
  if (settings_failure_) throw Error(*settings_failure_);
  try {
    settings_ = std::make_unique<Settings>(catalog_, shipped_folder_);
    kernels_asked_ = false;
  } catch (const Error& error) {
    settings_failure_ = error;
    throw;
  }
  return *settings_;
}

std::unique_ptr<Slot> Router::new_slot(int32_t op, int32_t driver) {
  auto slot = std::make_unique<Slot>();
  slot->router = this;
  slot->op = op;
  slot->driver = driver;
  slot->op_name = catalog_.operators()[static_cast<size_t>(op)].name;
  slot->driver_name = catalog_.drivers()[static_cast<size_t>(driver)];
  return slot;
}

void Router::prepare() {
  request([&] { settings(); });
  ask_for_kernels();
}

fl_route_slot* Router::slot(int32_t op, int32_t driver) {
  fl_route_slot* const found = request([&] {
    const fl_routing_adapter& told = adapter();
    if (told.traits == nullptr || told.describe == nullptr || told.signature == nullptr || told.shadow == nullptr ||
        told.raise == nullptr) {
      fl::fail(FL_INTERNAL,
               "a route was asked for before fl_routing_set_adapter named the adapter's functions; set them first.");
    }
    if (op < 0 || static_cast<size_t>(op) >= catalog_.operators().size()) {
      fl::fail(FL_INVALID_ARGUMENT, "there is no operator %d; declare it by fl_routing_declare_operator.", op);
    }
    const auto& drivers = catalog_.drivers();
    if (driver < 0 || static_cast<size_t>(driver) >= drivers.size() || drivers[static_cast<size_t>(driver)].empty()) {
      fl::fail(FL_INVALID_ARGUMENT, "there is no driver %d; declare it by fl_routing_declare_driver.", driver);
    }
    std::unique_ptr<Slot>& known = slots_[{op, driver}];
    if (known == nullptr) known = new_slot(op, driver);
    if (known->plan == nullptr) {
      auto plan = make_plan(*known);
      require_answers();
      put_in_force(*known, std::move(plan));
    }
    return &known->shared;
  });
  ask_for_kernels();
  return found;
}

std::vector<int32_t> Router::initial_chain(const Operator& op) const {
  const Location at{"initial chain of " + op.name, 0, 0};
  return resolve_chain(parse_chain(op.initial, at), at, catalog_);
}

Rule Router::initial_rule(const Slot& slot) const {
  const Operator& op = catalog_.operators()[static_cast<size_t>(slot.op)];
  return {Source::kInitial, op.name, "", initial_chain(op), {}, "", -1};
}

const Rule* Router::deciding_rule(const Slot& slot, std::vector<const Rule*>* overruled) {
  Settings& now = settings();
  const std::vector<Rule>* const sources[] = {&overrides_, &now.environment, &now.file.rules,
                                              &now.shipped(slot.driver_name, catalog_).rules};
  const Rule* decided = nullptr;
  for (const std::vector<Rule>* rules : sources) {
    const Rule* rule = decide(*rules, slot.op_name, slot.driver_name);
    if (rule == nullptr) continue;
    if (decided == nullptr) {
      decided = rule;
    } else if (overruled != nullptr) {
      overruled->push_back(rule);
    }
  }
  return decided;
}

Candidate Router::make_candidate(const Target& target, const Slot& slot) {
  Candidate candidate;
  candidate.target = target.id;
  candidate.generation = target.generation;
  candidate.name = target.name;
  candidate.mask = target.mask;
  candidate.run = target.run;
  candidate.data = target.data;
  if (target.absent) {
    candidate.state = Candidate::State::kAbsent;
    candidate.why_not = as_sentence(*target.absent);
  } else if (!target.serves_driver(slot.driver_name)) {
    candidate.state = Candidate::State::kWrongDriver;
    candidate.why_not = "does not serve the driver '" + slot.driver_name + "'.";
  } else if (target.serves != nullptr) {
    const Question question{target.id, target.generation, slot.op, slot.driver};
    const auto answer = answers_.find(question);
    if (answer == answers_.end()) {
      questions_.push_back(question);
    } else if (!answer->second.empty()) {
      candidate.state = Candidate::State::kNotThisOperator;
      candidate.why_not = as_sentence(answer->second);
    }
  }
  return candidate;
}

std::unique_ptr<Plan> Router::make_plan(Slot& slot) {
  const Rule* decided = deciding_rule(slot, nullptr);
  const Rule rule = decided != nullptr ? *decided : initial_rule(slot);
  auto plan = std::make_unique<Plan>();
  plan->slot = &slot;
  plan->source = rule.source;
  plan->at = rule.at;
  plan->rule_text = chain_text(rule, catalog_);
  plan->reason = rule.reason;
  plan->strict = settings().strict;
  plan->masked = false;
  for (const int32_t id : rule.chain) {
    plan->candidates.push_back(make_candidate(catalog_.targets()[static_cast<size_t>(id)], slot));
    const Candidate& candidate = plan->candidates.back();
    plan->masked |= candidate.state == Candidate::State::kServes && candidate.mask != ~uint64_t{0};
  }
  const std::string& shadow = settings().shadow;
  const Target* reference = catalog_.find_target(shadow.empty() ? "cpu" : shadow);
  if (reference != nullptr && !reference->absent) {
    plan->reference_run = reference->run;
    plan->reference_data = reference->data;
    plan->reference_target = reference->id;
  }
  return plan;
}

void Router::warn_of_absent(const Plan& plan) {
  if (plan.source == Source::kShipped || plan.source == Source::kInitial) return;  // nobody asked for these by name
  for (const Candidate& candidate : plan.candidates) {
    if (candidate.state != Candidate::State::kAbsent || !warned_of_.insert(candidate.target).second) continue;
    notices_.emplace_back(FL_LOG_WARNING,
                          formatted("%s: target '%s' is absent here and is skipped (%s): %s", to_text(plan.at).c_str(),
                                    candidate.name.c_str(), plan.rule_text.c_str(), candidate.why_not.c_str()));
  }
}

void Router::publish(Slot& slot) {
  const uint32_t bits = trace_ ? *trace_ : settings().trace;
  const Route* route = route_of(*slot.plan, bits, ledger_);
  __atomic_store_n(&slot.shared.route, route, __ATOMIC_RELEASE);
}

void Router::put_in_force(Slot& slot, std::unique_ptr<Plan> plan) {
  const auto same =
      std::find_if(slot.plans.begin(), slot.plans.end(), [&](const auto& old) { return old->same_as(*plan); });
  if (same != slot.plans.end()) {
    slot.plan = same->get();
  } else {
    slot.plans.push_back(std::move(plan));
    slot.plan = slot.plans.back().get();
  }
  warn_of_absent(*slot.plan);
  publish(slot);
}

template <class Concerns>
std::vector<std::pair<Slot*, std::unique_ptr<Plan>>> Router::plan_again(Concerns concerns) {
  std::vector<std::pair<Slot*, std::unique_ptr<Plan>>> made;
  for (auto& [key, slot] : slots_) {
    if (slot->plan != nullptr && concerns(*slot)) made.emplace_back(slot.get(), make_plan(*slot));
  }
  require_answers();
  return made;
}

template <class Concerns>
void Router::rebuild(Concerns concerns) {
  for (auto& [slot, plan] : plan_again(concerns)) put_in_force(*slot, std::move(plan));
}

int32_t Router::add_override(const char* pattern, const char* chain, const char* driver) {
  const int32_t handle = request([&] {
    if (pattern == nullptr || chain == nullptr)
      fl::fail(FL_INVALID_ARGUMENT, "an override needs a pattern and a chain.");
    const Location at{formatted("override(\"%s\", \"%s\")", pattern, chain), 0, 0};
    const Word word = parse_pattern(pattern, at);
    require_operator(word, at, catalog_);
    if (driver != nullptr) require_driver(driver, at, catalog_);
    std::vector<Rule> changed = overrides_;
    changed.push_back({Source::kApi,
                       word.text,
                       driver == nullptr ? "" : driver,
                       resolve_chain(parse_chain(chain, at), at, catalog_),
                       {"override", 0, 0},
                       "",
                       next_handle_});
    change_overrides(std::move(changed), word.text);
    return next_handle_++;
  });
  ask_for_kernels();
  return handle;
}

void Router::remove_override(int32_t handle) {
  request([&] {
    const auto has_handle = [&](const Rule& rule) { return rule.handle == handle; };
    std::vector<Rule> changed = overrides_;
    const auto found = std::find_if(changed.begin(), changed.end(), has_handle);
    if (found == changed.end()) {
      fl::fail(FL_INVALID_ARGUMENT,
               "there is no override with the handle %d: it was removed before, or reset() forgot it.", handle);
    }
    const std::string pattern = found->pattern;
    changed.erase(found);
    change_overrides(std::move(changed), pattern);
  });
  ask_for_kernels();  // the rule that decides now may want an operator whole
}

void Router::change_overrides(std::vector<Rule> changed, const std::string& pattern) {
  overrides_.swap(changed);
  Restore restore(overrides_, changed);
  rebuild([&](const Slot& slot) { return match(pattern, slot.op_name) != Match::kNone; });
  restore.done();
  kernels_asked_ = false;
}

void Router::reset() {
  env::read_again();
  {
    const std::lock_guard lock(mutex_);
    answers_.clear();
  }
  request([&] {
    auto fresh = std::make_unique<Settings>(catalog_, shipped_folder_);
    // A conf that does not read, or a chain that cannot be planned, leaves everything as it was.
    std::vector<Rule> no_overrides;
    settings_.swap(fresh);
    overrides_.swap(no_overrides);
    Restore settings_restore(settings_, fresh);
    Restore overrides_restore(overrides_, no_overrides);
    std::vector<std::pair<Slot*, std::unique_ptr<Plan>>> made = plan_again([](const Slot&) { return true; });
    settings_restore.done();
    overrides_restore.done();
    settings_failure_.reset();
    warned_of_.clear();
    trace_.reset();
    for (auto& [key, slot] : slots_) slot->refusals.forget();
    for (auto& [slot, plan] : made) put_in_force(*slot, std::move(plan));
    kernels_asked_ = false;
  });
  ask_for_kernels();
}

void Router::set_trace(uint32_t bits) {
  const Session session(*this);
  if ((bits & ~kTraceBits) != 0) fl::fail(FL_INVALID_ARGUMENT, "0x%x has bits that are none of FL_TRACE_*.", bits);
  if ((bits & FL_TRACE_SHADOW) != 0) {  // a new search for the first difference
    difference_told_ = false;
    for (auto& [key, slot] : slots_) slot->difference_told = false;
  }
  trace_ = bits;
  for (auto& [key, slot] : slots_) {
    if (slot->plan != nullptr) publish(*slot);
  }
}

uint32_t Router::trace() {
  const Session session(*this);
  return trace_ ? *trace_ : settings().trace;
}

void Router::remember(Slot& slot, Refusal refusal) {
  const Session session(*this);
  slot.refusals.add(std::move(refusal));
  publish(slot);
}

std::string Router::trait_names(uint64_t traits) const {
  const std::lock_guard lock(mutex_);
  return catalog_.trait_names(traits);
}

}  // namespace fl::routing
