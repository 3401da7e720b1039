// Gives PrivateUse1 a kernel for every aten operator that PyTorch's CPU has one for: the routed kernel, which looks at
// the operator's route and runs the target. The list is asked of the dispatcher when the library is loaded, so it is
// that of the PyTorch at hand.
//
// Note [Which operators are routed]
//  - Those with a CPU kernel. An operator without one is composed by PyTorch of such ones; it gets a kernel here when a
//    rule asks for one (composites.h).
//  - Structured functionals too, though PyTorch would make them of empty() and the out= form: a conf file names them.
//  - Not the structural ones (factories, views, copies, set_, resize_): they are the device itself (structural.h).
//  - Some composites: convolution, its backward and mode(out=), which refuse devices that they do not know;
//    conj_physical_, which asks a device for a loop of its own; embedding, which conf files name.
#include <torch/library.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "aten/composites.h"
#include "aten/cpu_target.h"
#include "aten/elementwise.h"
#include "aten/errors.h"
#include "aten/operator.h"
#include "aten/own_kernels.h"
#include "aten/routed_kernel.h"
#include "aten/structural.h"
#include "aten/unboxed.h"

namespace flagos {
namespace {

fl_outcome run_cpu_target(void* /*data*/, void* call) {
  const auto& c = *static_cast<const Call*>(call);
  if (c.op.own != nullptr) {
    c.op.own(c);
  } else if (c.op.composite != c10::DispatchKey::Undefined) {
    run_composite(c);
  } else {
    run_on_cpu(c);
  }
  return FL_ROUTE_DONE;
}

int32_t cpu_target_serves(void* /*data*/, const char* name, const char* /*driver*/, char* why, size_t why_size) {
  const auto* op = find_operator(name);
  if (op != nullptr ? op->has_cpu_kernel || op->own != nullptr : is_composite(name)) return 1;
  snprintf(why, why_size, "PyTorch has no CPU kernel for %s", name);
  return 0;
}

int32_t cpu_target = -1;

void declare_cpu_target() {
  fl_target_info info{};
  info.struct_size = sizeof info;
  info.name = "cpu";
  info.mask = ~0ull;
  info.run = &run_cpu_target;
  info.serves = &cpu_target_serves;
  check(fl_routing_declare_target(&info, &cpu_target));
}

// Operators outside of the loop below: an operator of a library that has a CPU kernel and none for the device.
void unrouted(const c10::OperatorHandle& handle, c10::DispatchKeySet /*keys*/, torch::jit::Stack* stack) {
  TORCH_CHECK_NOT_IMPLEMENTED(handle.hasComputedKernelForDispatchKey(c10::DispatchKey::CPU), handle.operator_name(),
                              " has no kernel for flagos and none for cpu");
  auto& op = operator_for(handle);
  run_routed({handle, op, *stack});
}

}  // namespace

int32_t cpu_target_id() { return cpu_target; }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  declare_cpu_target();
  auto& dispatcher = c10::Dispatcher::singleton();
  std::unordered_map<std::string_view, OwnKernel> own;
  for (const auto& kernels : {random_kernels(), recurrent_kernels()}) {
    for (const auto& kernel : kernels) own.emplace(kernel.name, kernel.run);
  }
  std::unordered_map<std::string, ShortWay> short_ways;
  for (const auto& ways : {elementwise_short_ways(), unboxed_ways()}) {
    for (const auto& way : ways) short_ways.emplace(way.name, way);
  }
  const auto route = [&](const c10::OperatorHandle& handle) {
    auto& op = operator_for(handle);
    if (const auto way = short_ways.find(op.name); way != short_ways.end()) {
      way->second.install(m, handle, op);
      return;
    }
    if (const auto kernel = own.find(op.name); kernel != own.end()) {
      op.own = kernel->second;
      own.erase(kernel);
    }
    m.impl(op.full_name.c_str(), routed_kernel(op));
  };
  for (const auto& name : dispatcher.getRegistrationsForDispatchKey(c10::DispatchKey::CPU)) {
    if (name.name.rfind("aten::", 0) != 0 || is_structural(name)) continue;
    if (const auto handle = dispatcher.findSchema(name)) route(*handle);
  }
  constexpr std::pair<const char*, const char*> kComposites[] = {{"aten::convolution", ""},
                                                                 {"aten::convolution_backward", ""},
                                                                 {"aten::mode", "values"},
                                                                 {"aten::conj_physical_", ""},
                                                                 {"aten::embedding", ""}};
  for (const auto& [name, overload] : kComposites) route(dispatcher.findSchemaOrThrow(name, overload));
  // What is left has no CPU kernel at all.
  for (const auto& [name, run] : std::exchange(own, {})) {
    const auto dot = name.find('.');
    const auto base = "aten::" + std::string(name.substr(0, dot));
    const auto overload = dot == std::string_view::npos ? std::string() : std::string(name.substr(dot + 1));
    const auto handle = dispatcher.findSchemaOrThrow(base.c_str(), overload.c_str());
    auto& op = operator_for(handle);
    op.own = run;
    m.impl(op.full_name.c_str(), routed_kernel(op));
  }
  declare_composites();
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&unrouted>()); }

}  // namespace flagos
