// Note [Function targets]
// A function gets the arguments of the call as PyTorch's Python kernels do; those take the GIL themselves. It declines
// by decline_function_call() and any exception, which is dropped here. It may call the operator that it serves: while
// it runs, its target declines that operator on the thread, so the call reaches what stands behind it in the chain.
//
// A function may be announced long before it is there: its operator is then named among `provided`, and the first call
// asks Python for it by the operator flagos::provide_function.
#include "aten/python_target.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "aten/composites.h"
#include "aten/errors.h"
#include "aten/operator.h"

namespace flagos {
namespace {

struct FunctionTarget {
  std::string name;
  std::string aliases;
  std::string library;  // "flagos_target_mine"
  std::string drivers;
  std::unordered_set<std::string> provided;
};

struct Running {
  const FunctionTarget* target;
  const Operator* op;
};
thread_local std::vector<Running> running;
struct Declined {
  std::string why;
  bool remember;
};
thread_local std::optional<Declined> declined;

// Marks the operator as being run by the target, on this thread.
class RunningScope {
 public:
  RunningScope(const FunctionTarget* target, const Operator* op) { running.push_back({target, op}); }
  ~RunningScope() { running.pop_back(); }
  RunningScope(const RunningScope&) = delete;
  RunningScope& operator=(const RunningScope&) = delete;
};

std::optional<c10::OperatorHandle> function_of(const FunctionTarget& target, std::string_view op) {
  const auto dot = op.find('.');
  c10::OperatorName name(target.library + "::" + std::string(op.substr(0, dot)),
                         dot == std::string_view::npos ? "" : std::string(op.substr(dot + 1)));
  auto handle = c10::Dispatcher::singleton().findSchema(name);
  if (handle && !handle->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) return std::nullopt;
  return handle;
}

fl_outcome decline(const std::string& why, bool remember = false) {
  fl_route_decline(why.c_str(), remember ? 1 : 0);
  return FL_ROUTE_DECLINED;
}

std::optional<c10::OperatorHandle> provided_function(const FunctionTarget& target, const std::string& op) {
  if (auto handle = function_of(target, op)) return handle;
  if (target.provided.count(op) == 0) return std::nullopt;
  static const auto provide = c10::Dispatcher::singleton()
                                  .findSchemaOrThrow("flagos::provide_function", "")
                                  .typed<void(std::string_view, std::string_view)>();
  provide.call(target.library, op);
  return function_of(target, op);
}

fl_outcome run(void* data, void* call) {
  const auto& target = *static_cast<const FunctionTarget*>(data);
  const auto& c = *static_cast<const Call*>(call);
  for (const auto& active : running) {
    if (active.target == &target && active.op == &c.op) return decline("its own function makes this call");
  }
  const auto handle = provided_function(target, c.op.name);
  if (!handle) return decline("its function was taken away");
  // The function gets a copy of the arguments, so that a call which it declines goes on with the originals.
  const auto first = c.stack.begin() + static_cast<std::ptrdiff_t>(c.first_argument());
  torch::jit::Stack stack(first, c.stack.end());
  declined.reset();
  try {
    const RunningScope scope(&target, &c.op);
    handle->redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), &stack);
  } catch (const std::exception& error) {
    if (!declined) throw;
    const auto said = *std::exchange(declined, std::nullopt);
    return decline(said.why, said.remember);
  }
  c.stack.resize(c.first_argument());
  c.stack.insert(c.stack.end(), std::make_move_iterator(stack.begin()), std::make_move_iterator(stack.end()));
  return FL_ROUTE_DONE;
}

int32_t serves(void* data, const char* op, const char* /*driver*/, char* why, size_t why_size) {
  const auto& target = *static_cast<const FunctionTarget*>(data);
  if (target.provided.count(op) != 0 || function_of(target, op)) return 1;
  snprintf(why, why_size, "no function was registered for %s; torch_fl.routing.register_target adds one", op);
  return 0;
}

}  // namespace

void declare_function_target(const FunctionTargetInfo& told) {
  // Kept for good: routes that were read hold the pointer.
  auto* target = new FunctionTarget{told.name, told.aliases, told.library, told.drivers, {}};
  target->provided.insert(told.provided.begin(), told.provided.end());
  for (const auto& op : told.provided) declare_without_parts(op);
  for (const auto& op : told.differentiated) differentiates_itself(op);
  fl_target_info info{};
  info.struct_size = sizeof info;
  info.name = target->name.c_str();
  info.aliases = target->aliases.empty() ? nullptr : target->aliases.c_str();
  info.drivers = target->drivers.empty() ? nullptr : target->drivers.c_str();
  info.mask = ~0ull;
  info.run = &run;
  info.data = target;
  info.serves = &serves;
  int32_t id = -1;
  check(fl_routing_declare_target(&info, &id));
}

void decline_function_call(std::string why, bool remember) { declined = Declined{std::move(why), remember}; }

}  // namespace flagos
