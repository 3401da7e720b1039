#include "aten/cpu_target.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include "aten/errors.h"
#include "aten/generator.h"
#include "aten/host_call.h"

namespace flagos {
namespace {

// True for a CPU tensor that counts as an operand on the wrong device: one with dimensions.
bool is_cpu_operand(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().is_cpu() && tensor.dim() > 0;
}

class Arguments {
 public:
  Arguments(const Call& call, HostCall& host) : call_(call), host_(host) {}

  void enter() {
    for (size_t i = 0; i < call_.op.arguments; ++i) enter(call_.argument(i), call_.op.writes(i));
    TORCH_CHECK(!cpu_operand_ || call_.op.takes_cpu_operands || !host_.has_flagos(),
                "Expected all tensors to be on the same device, but found at least two devices, flagos:",
                static_cast<int>(host_.device()), " and cpu! (when checking argument for ", call_.op.name, ")");
    if (call_.op.generators != 0) enter_generators();
  }

 private:
  void enter(c10::IValue& value, bool written) {
    if (value.isTensor()) {
      const auto& tensor = value.toTensor();
      if (!tensor.defined()) return;
      cpu_operand_ |= is_cpu_operand(tensor);
      if (tensor.device().type() == kFlagos) value = host_.enter(std::move(value).toTensor(), written);
    } else if (value.isTensorList()) {
      auto list = value.toTensorVector();
      for (auto& tensor : list) {
        cpu_operand_ |= is_cpu_operand(tensor);
        tensor = host_.enter(std::move(tensor), written);
      }
      value = c10::IValue(std::move(list));
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
        if (tensor) cpu_operand_ |= is_cpu_operand(*tensor);
        list.push_back(tensor ? std::optional(host_.enter(*tensor, written)) : tensor);
      }
      value = c10::IValue(std::move(list));
    } else if (value.isDevice()) {
      value = host_.enter(value.toDevice());
    }
  }

  void enter_generators() {
    for (size_t i = 0; i < call_.op.arguments; ++i) {
      if ((call_.op.generators >> i & 1) == 0) continue;
      auto& value = call_.argument(i);
      const auto generator = value.toOptional<at::Generator>();
      if (!generator || generator->device().type() == kFlagos) value = host_stand_in(generator, host_.device());
    }
  }

  const Call& call_;
  HostCall& host_;
  bool cpu_operand_ = false;
};

void leave(c10::IValue& value, HostCall& host) {
  if (value.isTensor()) {
    value = host.leave(value.toTensor());
  } else if (value.isTensorList()) {
    auto list = value.toTensorVector();
    for (auto& tensor : list) tensor = host.leave(tensor);
    value = c10::IValue(std::move(list));
  }
}

}  // namespace

void run_on_cpu(const Call& call) {
  const at::AutoDispatchBelowADInplaceOrView below;
  HostCall host(call.op.name.c_str());
  Arguments(call, host).enter();
  call.handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &call.stack);
  host.finish();
  const auto first = call.stack.size() - call.op.results;
  for (size_t i = 0; i < call.op.results; ++i) leave(call.stack[first + i], host);
}

}  // namespace flagos
