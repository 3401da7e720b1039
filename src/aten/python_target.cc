#include "aten/python_target.h"

#include "aten/errors.h"
#include "aten/operator.h"

namespace flagos {
namespace {

struct FunctionTarget {
  std::string library;  // "flagos_target_mine"
};

std::optional<c10::OperatorHandle> function_of(const FunctionTarget& target, std::string_view op) {
  const auto dot = op.find('.');
  c10::OperatorName name(target.library + "::" + std::string(op.substr(0, dot)),
                         dot == std::string_view::npos ? "" : std::string(op.substr(dot + 1)));
  auto handle = c10::Dispatcher::singleton().findSchema(name);
  if (handle && !handle->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) return std::nullopt;
  return handle;
}

fl_outcome run(void* data, void* call) {
  const auto& c = *static_cast<const Call*>(call);
  const auto handle = function_of(*static_cast<const FunctionTarget*>(data), c.op.name);
  if (!handle) {
    fl_route_decline("its function was taken away", /*remember=*/0);
    return FL_ROUTE_DECLINED;
  }
  handle->redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), &c.stack);
  return FL_ROUTE_DONE;
}

int32_t serves(void* data, const char* op, const char* /*driver*/, char* why, size_t why_size) {
  if (function_of(*static_cast<const FunctionTarget*>(data), op)) return 1;
  snprintf(why, why_size, "no function was registered for %s; torch_fl.routing.register_target adds one", op);
  return 0;
}

}  // namespace

void declare_function_target(const std::string& name) {
  // Kept for good: routes that were read hold the pointer.
  auto* target = new FunctionTarget{"flagos_target_" + name};
  fl_target_info info{};
  info.struct_size = sizeof info;
  info.name = name.c_str();
  info.mask = ~0ull;
  info.run = &run;
  info.data = target;
  info.serves = &serves;
  int32_t id = -1;
  check(fl_routing_declare_target(&info, &id));
}

}  // namespace flagos
