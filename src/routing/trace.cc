// Log, shadow and count around a run. The state of a thread is one flag: whether tracing holds here.
#include "routing/trace.h"

#include "base/log.h"
#include "base/text.h"
#include "routing/router.h"

namespace fl::routing {
namespace {

thread_local bool t_quiet = false;

class Quiet {
 public:
  explicit Quiet(bool quiet) : outer_(t_quiet) { t_quiet = quiet; }
  ~Quiet() { t_quiet = outer_; }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  bool outer_;
};

void append(void* context, const char* text, size_t size) { static_cast<std::string*>(context)->append(text, size); }

// FLAGOS_LOG_DISPATCH is a wish of its own: what it asks for is shown though other information is not.
int32_t dispatch_level() { return log_enabled(FL_LOG_INFO) ? FL_LOG_INFO : FL_LOG_WARNING; }

fl_outcome run_counted(const Route& route, size_t index, void* call) {
  const Candidate& candidate = route.plan->candidates[index];
  if ((route.trace & FL_TRACE_COUNT) == 0) return candidate.run(candidate.data, call);
  LedgerFrame frame(route.rows[index]);
  return frame.ended(candidate.run(candidate.data, call));
}

// What the adapter's shadow gets as the target: the calls inside of the target are traced again.
struct Watched {
  const Route& route;
  size_t index;

  static fl_outcome run(void* data, void* call) {
    const Watched& watched = *static_cast<Watched*>(data);
    const Quiet loud(false);
    return run_counted(watched.route, watched.index, call);
  }
};

fl_outcome run_compared(const Route& route, size_t index, void* call) {
  const Plan& plan = *route.plan;
  Slot& slot = *plan.slot;
  const fl_routing_adapter& adapter = slot.router->adapter();
  const bool comparable = plan.reference_run != nullptr && plan.reference_target != plan.candidates[index].target;
  if ((route.trace & FL_TRACE_SHADOW) == 0 || !comparable) return run_counted(route, index, call);

  Watched watched{route, index};
  std::string report;
  fl_outcome outcome = FL_ROUTE_DONE;
  std::string arguments;
  {
    const Quiet quiet(true);
    arguments = call_text(slot, call);  // before the call, which may write into its arguments
    const int32_t differs = adapter.shadow(call, &Watched::run, &watched, plan.reference_run, plan.reference_data,
                                           append, &report, &outcome);
    if (differs == 0 || outcome != FL_ROUTE_DONE) return outcome;
  }
  if (slot.difference_told.exchange(true)) return outcome;
  const bool first = slot.router->tell_first_difference();
  log(first ? FL_LOG_ERROR : FL_LOG_WARNING, "shadow: %s %s by '%s' differs from the reference: %s %s",
      first ? "the first call that differs:" : "differs too:", arguments.c_str(), plan.candidates[index].name.c_str(),
      report.c_str(), origin_sentence(plan).c_str());
  return outcome;
}

}  // namespace

bool tracing_here() { return !t_quiet; }

std::string call_text(const Slot& slot, void* call) {
  std::string arguments;
  slot.router->adapter().describe(call, append, &arguments);
  return slot.op_name + "(" + arguments + ") on " + slot.driver_name;
}

fl_outcome run_traced(const Route& route, size_t index, void* call, const std::string& why) {
  const Plan& plan = *route.plan;
  const Candidate& candidate = plan.candidates[index];
  if (t_quiet) return candidate.run(candidate.data, call);
  if ((route.trace & FL_TRACE_LOG) != 0) {
    std::string text;
    {
      const Quiet quiet(true);  // describing a call may make calls
      text = call_text(*plan.slot, call);
    }
    log(dispatch_level(), "dispatch %s -> %s. %s%s%s", text.c_str(), candidate.name.c_str(),
        origin_sentence(plan).c_str(), why.empty() ? "" : " ", why.c_str());
  }
  return run_compared(route, index, call);
}

}  // namespace fl::routing
