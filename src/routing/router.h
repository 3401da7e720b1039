// The router: owns what was declared, the rules in force and the slots, and puts routes into slots.
//
// One a process; tests make their own. One lock guards declaring, choosing and telling. Calls never take it, but for a
// target that asks to be remembered as refusing. What is to be logged is logged after the lock is let go, for the
// sink may be Python's, which takes a lock of its own. For the same reason a target's `serves` is asked without the
// lock: Note [Questions].
//
// Note [Questions]. A plan needs to know which targets have a kernel for the operator, and a target may take its own
// locks to find out, even while it holds them to declare something here. So planning under the lock only collects the
// questions that have no answer yet and throws them; the request asks them without the lock and starts again. Answers
// are kept for as long as the target's declaration holds.
#ifndef FLAGOS_ROUTING_ROUTER_H_
#define FLAGOS_ROUTING_ROUTER_H_

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "flagos/routing.h"
#include "routing/catalog.h"
#include "routing/ledger.h"
#include "routing/route.h"
#include "routing/rules.h"
#include "routing/settings.h"

namespace fl::routing {

class Router {
 public:
  Router();
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // The one that the fl_routing_* functions speak to.
  static Router& process();

  // As routing.h has them; failures are thrown.
  int32_t declare_driver(int32_t index, const char* name);
  int32_t declare_target(const fl_target_info& info);
  int32_t declare_operator(const fl_operator_info& info);
  void name_trait(int32_t bit, const char* name);
  void set_adapter(const fl_routing_adapter& adapter);
  void set_shipped_folder(const char* folder);
  fl_route_slot* slot(int32_t op, int32_t driver);
  void prepare();
  int32_t add_override(const char* pattern, const char* chain, const char* driver);
  void remove_override(int32_t handle);
  void reset();
  void set_trace(uint32_t bits);
  uint32_t trace();

  // The documents of explain.cc, as text.
  std::string explain(const char* op, const char* driver, uint64_t traits);
  std::string table(const char* driver);
  std::string targets();
  std::string conf();

  // What routes ask while a call runs. All but the first two are for the rare ways.
  const fl_routing_adapter& adapter() const { return *adapter_.load(std::memory_order_acquire); }
  Ledger& ledger() { return ledger_; }
  void remember(Slot& slot, Refusal refusal);
  std::string trait_names(uint64_t traits) const;
  bool tell_first_difference() { return !difference_told_.exchange(true); }

 private:
  // Holds the lock for the length of one request and logs afterwards, also when the request throws.
  class Session {
   public:
    explicit Session(Router& router);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    Router& router_;
  };

  struct Question {
    int32_t target;
    int32_t generation;
    int32_t op;
    int32_t driver;
    auto operator<=>(const Question&) const = default;
  };
  struct Unanswered {};  // thrown before anything was changed

  // Runs a request under the lock, again after its questions were answered.
  template <class Body>
  auto request(Body body);
  void answer_questions();

  // Asks the adapter for the kernels that the rules in force need and it has not made. Without the lock: kernels.cc.
  void ask_for_kernels();

  // All below under the lock.
  Settings& settings();
  std::unique_ptr<Plan> make_plan(Slot& slot);
  Candidate make_candidate(const Target& target, const Slot& slot);
  void require_answers() const;  // throws Unanswered while questions are open
  const Rule* deciding_rule(const Slot& slot, std::vector<const Rule*>* overruled);
  std::vector<int32_t> initial_chain(const Operator& op) const;
  Rule initial_rule(const Slot& slot) const;
  void warn_of_absent(const Plan& plan);
  std::vector<const Rule*> rules_in_force();
  bool wants_kernel(const Operator& op);
  // New plans for the slots that were handed out and that `concerns` picks; puts them in force only when all were made.
  template <class Concerns>
  void rebuild(Concerns concerns);
  template <class Concerns>
  std::vector<std::pair<Slot*, std::unique_ptr<Plan>>> plan_again(Concerns concerns);
  void change_overrides(std::vector<Rule> changed, const std::string& pattern);
  void put_in_force(Slot& slot, std::unique_ptr<Plan> plan);
  void publish(Slot& slot);
  std::unique_ptr<Slot> new_slot(int32_t op, int32_t driver);
  const Operator& require_known_operator(const char* name) const;
  std::string require_devices(const char* driver) const;
  void write_rule(JsonWriter& json, const Rule& rule) const;
  void write_candidates(JsonWriter& json, const Plan& plan, const Slot& slot, uint64_t traits) const;

  mutable std::mutex mutex_;
  std::vector<std::pair<int32_t, std::string>> notices_;  // (level, text), logged when the lock is let go
  Catalog catalog_;
  Ledger ledger_;
  std::string shipped_folder_;
  std::vector<Question> questions_;
  std::map<Question, std::string> answers_;  // why the target has no kernel for the operator; "" when it has one
  std::vector<Rule> overrides_;
  int32_t next_handle_ = 0;
  std::unique_ptr<Settings> settings_;
  std::optional<Error> settings_failure_;   // told again at each need until reset()
  std::optional<uint32_t> trace_;           // set by the API; else the environment's
  std::set<int32_t> warned_of_;             // absent targets, once each
  std::atomic<bool> kernels_asked_{false};  // for the rules in force
  std::map<std::pair<int32_t, int32_t>, std::unique_ptr<Slot>> slots_;
  std::atomic<const fl_routing_adapter*> adapter_;
  std::vector<std::unique_ptr<const fl_routing_adapter>> adapters_;
  std::atomic<bool> difference_told_{false};
};

template <class Body>
auto Router::request(Body body) {
  for (;;) {
    try {
      const Session session(*this);
      return body();
    } catch (const Unanswered&) {
      answer_questions();
    }
  }
}

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_ROUTER_H_
