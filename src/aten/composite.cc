#include "aten/composite.h"

#include <c10/core/GradMode.h>
#include <torch/library.h>

#include <memory>
#include <mutex>
#include <vector>

#include "aten/current.h"
#include "aten/errors.h"
#include "aten/operator.h"
#include "aten/routed_kernel.h"
#include "aten/structural.h"

namespace flagos {
namespace {

struct Composite {
  Operator* op;
  bool differentiated_by_parts;
  bool differentiates_itself;
  bool installed = false;
};

struct Composites {
  std::mutex mutex;
  std::vector<Composite> all;
  std::unique_ptr<torch::Library> library;  // never destroyed: its kernels live as long as the process
};
Composites& composites() {
  static auto* all = new Composites;
  return *all;
}

// On the device's own tensors and with autograd as it is: the parts are routed and differentiated one by one.
void run_composition(const Call& call) {
  call.handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &call.stack);
}

bool wants_gradient(const c10::IValue& value) {
  if (value.isTensor()) return value.toTensor().defined() && value.toTensor().requires_grad();
  if (!value.isList()) return false;
  for (const c10::IValue& element : value.toListRef()) {
    if (wants_gradient(element)) return true;
  }
  return false;
}

// Of a composite without a derivative of its own: a function that takes the whole and does not differentiate it would
// lose the gradient without a word, so such a call is composed, and its parts are routed.
class ComposedForGradient final : public c10::OperatorKernel {
 public:
  explicit ComposedForGradient(const Operator& op) : op_(op) {}
  void operator()(const c10::OperatorHandle& handle, c10::DispatchKeySet /*keys*/, torch::jit::Stack* stack) {
    const Call call{handle, op_, *stack};
    if (c10::GradMode::is_enabled()) {
      for (size_t i = 0; i < op_.arguments; ++i) {
        if (wants_gradient(call.argument(i))) return run_composition(call);
      }
    }
    run_routed(call);
  }

 private:
  const Operator& op_;
};

bool leaves_the_composition(const Operator& op) {
  for (c10::DeviceIndex device = 0; device < device_count(); ++device) {
    if (op.route(device_facts(device).driver)->head_run != cpu_target_run()) return true;
  }
  return false;
}

}  // namespace

void declare_composite(const std::string& name, bool differentiates_itself) {
  if (find_operator(name) != nullptr) return;
  const auto dot = name.find('.');
  const c10::OperatorName full("aten::" + name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1));
  const auto handle = c10::Dispatcher::singleton().findSchema(full);
  if (!handle || is_structural(full)) return;
  auto& op = operator_for(*handle);
  if (op.has_cpu_kernel) op.own = &run_composition;
  auto& known = composites();
  const std::lock_guard lock(known.mutex);
  known.all.push_back(
      {&op, handle->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd), differentiates_itself});
}

void install_composites() {
  auto& known = composites();
  const std::lock_guard lock(known.mutex);
  if (known.all.empty() || !devices_found()) return;
  for (auto& composite : known.all) {
    if (composite.installed || !leaves_the_composition(*composite.op)) continue;
    if (!known.library) {
      known.library = std::make_unique<torch::Library>(torch::Library::IMPL, "aten", std::nullopt, __FILE__, __LINE__);
    }
    const char* name = composite.op->full_name.c_str();
    const bool composed = composite.differentiated_by_parts && !composite.differentiates_itself;
    auto kernel = composed
                      ? torch::CppFunction::makeFromBoxedFunctor(std::make_unique<ComposedForGradient>(*composite.op))
                      : routed_kernel(*composite.op);
    known.library->impl(name, torch::dispatch(c10::DispatchKey::PrivateUse1, std::move(kernel)));
    if (composite.differentiated_by_parts) {
      // With a kernel of its own the operator would get PyTorch's warning that nobody differentiates it. Its parts are
      // differentiated, and so is what a target's function makes of it.
      known.library->impl(
          name, torch::dispatch(c10::DispatchKey::AutogradPrivateUse1, torch::CppFunction::makeFallthrough()));
    }
    composite.installed = true;
  }
}

}  // namespace flagos
