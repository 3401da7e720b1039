// Layouts that the device does not have: each operator on them says so in one sentence, where PyTorch would list every
// backend that it knows.
#include <torch/library.h>

namespace flagos {
namespace {

void refuse(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* /*stack*/) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      false, op.operator_name(), ": flagos supports strided tensors, not ",
      keys.has(c10::DispatchKey::QuantizedPrivateUse1) ? "quantized" : "sparse",
      " ones; keep the tensor on cpu, or make it an ordinary one first (.to_dense(), .dequantize())");
}

}  // namespace

TORCH_LIBRARY_IMPL(_, SparsePrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>()); }
TORCH_LIBRARY_IMPL(_, SparseCsrPrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>()); }
TORCH_LIBRARY_IMPL(_, QuantizedPrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>()); }

}  // namespace flagos
