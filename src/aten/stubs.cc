// PyTorch picks an operator's loop by device from a DispatchStub. The loops of the short way (elementwise.h) are the
// CPU's own: each entry registers, for PrivateUse1, a function that asks the stub for the CPU's.
//
// They are reached only by kernels that elementwise.cc installs, which make sure that the host can read the memory.
#include <ATen/native/Activation.h>
#include <ATen/native/BinaryOps.h>
#include <ATen/native/DispatchStub.h>
#include <ATen/native/Lerp.h>
#include <ATen/native/PointwiseOps.h>
#include <ATen/native/Pow.h>
#include <ATen/native/TensorCompare.h>
#include <ATen/native/UnaryOps.h>

namespace flagos {
namespace {
template <auto& Stub, class Function>
struct OnCpu;
template <auto& Stub, class Result, class... Args>
struct OnCpu<Stub, Result (*)(Args...)> {
  static Result call(Args... args) { return Stub(c10::kCPU, args...); }
};
}  // namespace
}  // namespace flagos

#define FLAGOS_STUB(stub) \
  REGISTER_PRIVATEUSE1_DISPATCH(stub, (&flagos::OnCpu<stub, std::remove_reference_t<decltype(stub)>::FnPtr>::call))

namespace at::native {
FLAGOS_STUB(add_stub)
FLAGOS_STUB(mul_stub)
FLAGOS_STUB(div_true_stub)
FLAGOS_STUB(maximum_stub)
FLAGOS_STUB(minimum_stub)
FLAGOS_STUB(eq_stub)
FLAGOS_STUB(ne_stub)
FLAGOS_STUB(lt_stub)
FLAGOS_STUB(le_stub)
FLAGOS_STUB(gt_stub)
FLAGOS_STUB(ge_stub)
FLAGOS_STUB(clamp_min_scalar_stub)
FLAGOS_STUB(clamp_max_scalar_stub)
FLAGOS_STUB(pow_tensor_scalar_stub)
FLAGOS_STUB(neg_stub)
FLAGOS_STUB(exp_stub)
FLAGOS_STUB(log_stub)
FLAGOS_STUB(sin_stub)
FLAGOS_STUB(cos_stub)
FLAGOS_STUB(tanh_stub)
FLAGOS_STUB(sigmoid_stub)
FLAGOS_STUB(sqrt_stub)
FLAGOS_STUB(rsqrt_stub)
FLAGOS_STUB(reciprocal_stub)
FLAGOS_STUB(erf_stub)
FLAGOS_STUB(silu_stub)
FLAGOS_STUB(silu_backward_stub)
FLAGOS_STUB(tanh_backward_stub)
FLAGOS_STUB(sigmoid_backward_stub)
FLAGOS_STUB(threshold_stub)
FLAGOS_STUB(addcmul_stub)
FLAGOS_STUB(addcdiv_stub)
FLAGOS_STUB(lerp_kernel_scalar_weight)
}  // namespace at::native
