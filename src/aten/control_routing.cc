// Operators that Python's torch_fl.routing calls, and targets that are Python functions.
//
// Note [Python targets]
// The functions of a target live in a private namespace of PyTorch's dispatcher, "flagos_target_<name>", each under the
// schema of the operator that it serves, so our own kernel of that operator stays where it is. The target's run function
// looks the operator up there and calls it with the same stack; PyTorch's Python kernels take the GIL themselves. A
// function declines a call by route_decline() and an exception; that exception is dropped here and the call goes on to
// the next target. While a function runs, the same target declines the same operator on that thread: the function may
// call the operator that it serves and gets what stands behind it in the chain.
#include <torch/library.h>

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "aten/control.h"
#include "aten/operator.h"
#include "aten/traits.h"
#include "flagos/routing.h"

namespace flagos {
namespace {

const char* text_or_null(const std::optional<std::string>& text) { return text ? text->c_str() : nullptr; }

std::string explain(const std::string& op, const std::optional<std::string>& driver, at::TensorList operands) {
  const auto traits = traits_of(operands);
  return text_from([&](fl_text_sink sink, void* context) {
    return fl_routing_explain(op.c_str(), text_or_null(driver), traits, sink, context);
  });
}

std::string table(const std::optional<std::string>& driver) {
  return text_from(
      [&](fl_text_sink sink, void* context) { return fl_routing_table(text_or_null(driver), sink, context); });
}

int64_t override_chain(const std::string& pattern, const std::string& chain, const std::optional<std::string>& driver) {
  int32_t handle = -1;
  check(fl_routing_override(pattern.c_str(), chain.c_str(), text_or_null(driver), &handle));
  return handle;
}

// ---- Python targets ----
struct PythonTarget {
  std::string name;
  std::string space;    // "flagos_target_<name>"
  std::string drivers;  // "" = all
  std::mutex mutex;
  std::unordered_map<std::string, c10::OperatorHandle> functions;  // by operator name; filled at first need
};

struct Running {
  const PythonTarget* target;
  const Operator* op;
};
thread_local std::vector<Running> running;
thread_local std::optional<std::string> declined;

std::optional<c10::OperatorHandle> function_of(PythonTarget& target, const std::string& op) {
  const std::lock_guard lock(target.mutex);
  if (const auto known = target.functions.find(op); known != target.functions.end()) return known->second;
  const auto dot = op.find('.');
  const auto found = c10::Dispatcher::singleton().findSchema(
      {target.space + "::" + op.substr(0, dot), dot == std::string::npos ? "" : op.substr(dot + 1)});
  if (found) target.functions.emplace(op, *found);
  return found;
}

int32_t python_target_serves(void* data, const char* op, const char* /*driver*/, char* why, size_t why_size) {
  auto& target = *static_cast<PythonTarget*>(data);
  if (function_of(target, op)) return 1;
  snprintf(why, why_size, "target %s was registered without a function for %s", target.name.c_str(), op);
  return 0;
}

fl_outcome run_python_target(void* data, void* call) {
  auto& target = *static_cast<PythonTarget*>(data);
  const auto& c = *static_cast<const Call*>(call);
  for (const auto& active : running) {
    if (active.target == &target && active.op == &c.op) {
      fl_route_decline("it is called by its own function", 0);
      return FL_ROUTE_DECLINED;
    }
  }
  const auto function = function_of(target, c.op.name);
  if (!function) {
    fl_route_decline("it has no function for this operator", 1);
    return FL_ROUTE_DECLINED;
  }
  // The function works on copies of the arguments, so that a call that it declines goes on with the originals.
  torch::jit::Stack stack(c.stack.end() - static_cast<std::ptrdiff_t>(c.op.arguments), c.stack.end());
  struct Scope {
    Scope(const PythonTarget* target, const Operator* op) { running.push_back({target, op}); }
    ~Scope() { running.pop_back(); }
  };
  declined.reset();
  try {
    const Scope scope(&target, &c.op);
    function->redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), &stack);
  } catch (const std::exception& error) {
    if (!declined) throw;
    fl_route_decline(std::exchange(declined, std::nullopt)->c_str(), 0);
    return FL_ROUTE_DECLINED;
  }
  c.stack.resize(c.stack.size() - c.op.arguments);
  c.stack.insert(c.stack.end(), std::make_move_iterator(stack.begin()), std::make_move_iterator(stack.end()));
  return FL_ROUTE_DONE;
}

void declare_python_target(const std::string& name, const std::string& space, const std::string& drivers) {
  // Targets live as long as the process: a route that was read stays good.
  auto* target = new PythonTarget{.name = name, .space = space, .drivers = drivers, .mutex = {}, .functions = {}};
  fl_target_info info{};
  info.struct_size = sizeof info;
  info.name = target->name.c_str();
  info.drivers = target->drivers.empty() ? nullptr : target->drivers.c_str();
  info.mask = ~0ull;
  info.run = &run_python_target;
  info.data = target;
  info.serves = &python_target_serves;
  int32_t id = -1;
  check(fl_routing_declare_target(&info, &id));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(flagos, m) {
  m.def("routing_explain(str op, str? driver, Tensor[] operands) -> str", &explain);
  m.def("routing_table(str? driver) -> str", &table);
  m.def("routing_targets() -> str", [] { return text_from(fl_routing_targets); });
  m.def("routing_conf() -> str", [] { return text_from(fl_routing_conf); });
  m.def("routing_override(str pattern, str chain, str? driver) -> int", &override_chain);
  m.def("routing_remove_override(int handle) -> ()",
        [](int64_t handle) { check(fl_routing_remove_override(static_cast<int32_t>(handle))); });
  m.def("routing_reset() -> ()", [] { check(fl_routing_reset()); });
  m.def("routing_shipped_folder(str folder) -> ()",
        [](const std::string& folder) { check(fl_routing_set_shipped_folder(folder.c_str())); });
  m.def("routing_set_trace(int bits) -> ()",
        [](int64_t bits) { check(fl_routing_set_trace(static_cast<uint32_t>(bits))); });
  m.def("routing_trace() -> int", [] { return static_cast<int64_t>(fl_routing_get_trace()); });
  m.def("ledger_report() -> str", [] { return text_from(fl_ledger_report); });
  m.def("ledger_clear() -> ()", [] { fl_ledger_clear(); });
  m.def("declare_python_target(str name, str space, str drivers) -> ()", &declare_python_target);
  m.def("route_decline(str why) -> ()", [](std::string why) { declined = std::move(why); });
}

}  // namespace flagos
