#include "aten/operator.h"

#include <memory>
#include <mutex>
#include <unordered_map>

#include "aten/errors.h"

namespace flagos {
namespace {

// Operators whose contract takes CPU tensors beside device tensors, as on every accelerator: index tensors, lengths and
// optimizer steps. A name ending in '*' is a prefix.
constexpr std::array<std::string_view, 14> kTakesCpuOperands = {"index.Tensor",
                                                                "index.Tensor_out",
                                                                "index_put*",
                                                                "_index_put_impl_*",
                                                                "_unsafe_index*",
                                                                "_unsafe_masked_index*",
                                                                "_copy_from*",
                                                                "copy_*",
                                                                "_foreach_*",
                                                                "_fused_*",
                                                                "_pack_padded_sequence*",
                                                                "segment_reduce*",
                                                                "tensor_split.tensor*",
                                                                "_embedding_bag*"};

// Arguments that a kernel writes though its schema does not say so.
struct HiddenWrite {
  std::string_view op, argument;
};
constexpr std::array<HiddenWrite, 4> kHiddenWrites{{{"native_batch_norm", "running_mean"},
                                                    {"native_batch_norm", "running_var"},
                                                    {"native_batch_norm.out", "running_mean"},
                                                    {"native_batch_norm.out", "running_var"}}};

bool matches(std::string_view name, std::string_view pattern) {
  if (pattern.back() != '*') return name == pattern;
  pattern.remove_suffix(1);
  return name.substr(0, pattern.size()) == pattern;
}

struct Registry {
  std::mutex mutex;
  std::unordered_map<std::string_view, std::unique_ptr<Operator>> by_name;  // keys are the operators' own names
};
Registry& registry() {
  static auto* all = new Registry;
  return *all;
}

c10::DeviceIndex device_of(const c10::IValue& value) {
  if (value.isTensor()) {
    const auto& tensor = value.toTensor();
    return tensor.defined() && tensor.device().type() == kFlagos ? tensor.device().index() : -1;
  }
  if (value.isDevice()) return value.toDevice().type() == kFlagos ? resolve_device(value.toDevice().index()) : -1;
  if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) {
      if (const auto device = device_of(element); device >= 0) return device;
    }
  }
  return -1;
}

}  // namespace

size_t Call::first_argument() const { return stack.size() - op.arguments; }

Operator::Operator(const c10::OperatorHandle& handle) {
  const auto& schema = handle.schema();
  full_name = schema.overload_name().empty() ? schema.name() : schema.name() + "." + schema.overload_name();
  name = full_name.rfind("aten::", 0) == 0 ? full_name.substr(6) : full_name;
  arguments = schema.arguments().size();
  results = schema.returns().size();
  for (size_t i = 0; i < arguments && i < 64; ++i) {
    const auto& argument = schema.arguments()[i];
    if (argument.alias_info() != nullptr && argument.alias_info()->isWrite()) written |= 1ull << i;
    for (const auto& hidden : kHiddenWrites) {
      if (hidden.op == name && hidden.argument == argument.name()) written |= 1ull << i;
    }
    if (argument.type()->str().find("Generator") != std::string::npos) generators |= 1ull << i;
  }
  for (const auto pattern : kTakesCpuOperands) takes_cpu_operands |= matches(name, pattern);
  has_cpu_kernel = handle.hasComputedKernelForDispatchKey(c10::DispatchKey::CPU);
}

fl_route_slot* Operator::find_slot(int32_t driver) const {
  fl_route_slot* slot = nullptr;
  check(fl_routing_slot(id, driver, &slot));
  slots_[static_cast<size_t>(driver)].store(slot, std::memory_order_release);
  return slot;
}

Operator& operator_for(const c10::OperatorHandle& handle) {
  auto made = std::make_unique<Operator>(handle);
  auto& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto [entry, fresh] = all.by_name.try_emplace(made->name, nullptr);
  if (!fresh) return *entry->second;
  auto& op = *made;
  // The key must live in the map's own object, whose address does not change.
  all.by_name.erase(entry);
  all.by_name.emplace(std::string_view(op.name), std::move(made));
  const fl_operator_info info{sizeof info, op.name.c_str(), "cpu", nullptr};
  check(fl_routing_declare_operator(&info, &op.id));
  return op;
}

Operator* find_operator(std::string_view name) {
  auto& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto entry = all.by_name.find(name);
  return entry == all.by_name.end() ? nullptr : entry->second.get();
}

int32_t driver_of(const Call& call) {
  if (C10_LIKELY(single_host_driver())) return 0;
  for (size_t i = 0; i < call.op.arguments; ++i) {
    if (const auto device = device_of(call.argument(i)); device >= 0) return device_facts(device).driver;
  }
  return device_facts(resolve_device(-1)).driver;
}

void run_routed(const Call& call) {
  const auto* route = call.op.route(driver_of(call));
  route->run(route, const_cast<Call*>(&call));
}

}  // namespace flagos
