#include "aten/composites.h"

#include <ATen/core/grad_mode.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "aten/errors.h"
#include "aten/routed_kernel.h"
#include "aten/structural.h"

namespace flagos {
namespace {

using c10::DispatchKey;

struct Composite {
  c10::OperatorName schema;
  DispatchKey key;
  bool has_kernel = false;
  std::atomic<bool> differentiates_itself{false};

  Composite(c10::OperatorName name, DispatchKey at) : schema(std::move(name)), key(at) {}
};

struct Composites {
  std::mutex mutex;
  std::unordered_map<std::string, Composite> by_name;  // as conf files write them
};
Composites& composites() {
  static auto* all = new Composites;
  return *all;
}

std::string conf_name(const c10::OperatorName& name) {
  const auto base = name.name.substr(6);  // after "aten::"
  return name.overload_name.empty() ? base : base + "." + name.overload_name;
}

template <class Visit>
void for_each_tensor(const c10::IValue& value, const Visit& visit) {
  if (value.isTensor()) {
    if (const auto& tensor = value.toTensor(); tensor.defined()) visit(tensor);
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) for_each_tensor(element, visit);
  }
}

// A call that autograd must see the parts of: reverse mode, or a tangent of forward mode.
bool needs_gradient(const Call& call) {
  bool needed = false;
  for (size_t i = 0; i < call.op.arguments; ++i) {
    for_each_tensor(call.argument(i), [&](const at::Tensor& tensor) {
      needed |= (at::GradMode::is_enabled() && tensor.requires_grad()) || tensor._fw_grad(0).defined();
    });
  }
  return needed;
}

// Stands where autograd would compose the operator: Note [Gradients of composites].
class ComposedForGradients final : public c10::OperatorKernel {
 public:
  ComposedForGradients(const Operator& op, const Composite& composite) : op_(op), composite_(composite) {}

  void operator()(const c10::OperatorHandle& handle, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
    const Call call{handle, op_, *stack};
    if (!composite_.differentiates_itself.load(std::memory_order_relaxed) && needs_gradient(call)) {
      return run_composite(call);
    }
    std::vector<at::Tensor> written;
    for (size_t i = 0; i < op_.arguments; ++i) {
      if (op_.writes(i)) for_each_tensor(call.argument(i), [&](const at::Tensor& to) { written.push_back(to); });
    }
    handle.redispatchBoxed(keys & c10::after_autograd_keyset, stack);
    // What the parts would have done: autograd finds by it that a tensor it saved was written since.
    for (const auto& tensor : written) {
      if (!tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
    }
  }

 private:
  const Operator& op_;
  const Composite& composite_;
};

// What routing calls when a rule wants `name` served whole.
void make_kernel(const char* name) {
  auto& all = composites();
  const std::lock_guard lock(all.mutex);
  auto& composite = all.by_name.at(name);
  if (composite.has_kernel) return;
  const auto handle = c10::Dispatcher::singleton().findSchema(composite.schema);
  TORCH_INTERNAL_ASSERT(handle, "no schema of ", name);
  static auto* device = new torch::Library(torch::Library::IMPL, "aten", DispatchKey::PrivateUse1, __FILE__, __LINE__);
  static auto* autograd =
      new torch::Library(torch::Library::IMPL, "aten", DispatchKey::AutogradPrivateUse1, __FILE__, __LINE__);
  auto& op = operator_for(*handle);
  op.composite = composite.key;
  device->impl(op.full_name.c_str(), routed_kernel(op));
  if (composite.key == DispatchKey::CompositeImplicitAutograd) {
    autograd->impl(op.full_name.c_str(),
                   torch::CppFunction::makeFromBoxedFunctor(std::make_unique<ComposedForGradients>(op, composite)));
  }
  composite.has_kernel = true;
}

}  // namespace

void declare_composites() {
  auto& all = composites();
  const std::lock_guard lock(all.mutex);
  const auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto key : {DispatchKey::CompositeExplicitAutograd, DispatchKey::CompositeExplicitAutogradNonFunctional,
                         DispatchKey::CompositeImplicitAutograd}) {
    for (const auto& schema : dispatcher.getRegistrationsForDispatchKey(key)) {
      if (schema.name.rfind("aten::", 0) != 0 || is_structural(schema)) continue;
      auto name = conf_name(schema);
      if (find_operator(name) != nullptr || all.by_name.contains(name)) continue;
      const fl_operator_info info{sizeof info, name.c_str(), "cpu", &make_kernel};
      check(fl_routing_declare_operator(&info, nullptr));
      all.by_name.try_emplace(std::move(name), schema, key);
    }
  }
}

void declare_without_parts(const std::string& name) {
  auto& all = composites();
  const std::lock_guard lock(all.mutex);
  if (find_operator(name) != nullptr || all.by_name.contains(name)) return;
  const auto dot = name.find('.');
  const c10::OperatorName schema("aten::" + name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1));
  if (is_structural(schema) || !c10::Dispatcher::singleton().findSchema(schema)) return;
  const fl_operator_info info{sizeof info, name.c_str(), "cpu", &make_kernel};
  check(fl_routing_declare_operator(&info, nullptr));
  all.by_name.try_emplace(name, schema, DispatchKey::Undefined);
}

bool is_composite(std::string_view name) {
  auto& all = composites();
  const std::lock_guard lock(all.mutex);
  const auto found = all.by_name.find(std::string(name));
  return found != all.by_name.end() && found->second.key != DispatchKey::Undefined;
}

void differentiates_itself(const std::string& name) {
  auto& all = composites();
  const std::lock_guard lock(all.mutex);
  if (const auto found = all.by_name.find(name); found != all.by_name.end()) found->second.differentiates_itself = true;
}

void run_composite(const Call& call) { call.handle.callBoxedForDispatchKey(call.op.composite, call.stack); }

}  // namespace flagos
