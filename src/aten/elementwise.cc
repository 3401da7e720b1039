// The operators that have a short way, each with PyTorch's structured kernel. A row is worth its compile time when
// models call the operator often on small tensors; everything else works without one.
#include "aten/elementwise.h"

#include <ATen/ScalarOps.h>
#include <ATen/ops/add_native.h>
#include <ATen/ops/add_ops.h>
#include <ATen/ops/addcdiv_native.h>
#include <ATen/ops/addcdiv_ops.h>
#include <ATen/ops/addcmul_native.h>
#include <ATen/ops/addcmul_ops.h>
#include <ATen/ops/clamp_max_native.h>
#include <ATen/ops/clamp_max_ops.h>
#include <ATen/ops/clamp_min_native.h>
#include <ATen/ops/clamp_min_ops.h>
#include <ATen/ops/cos_native.h>
#include <ATen/ops/cos_ops.h>
#include <ATen/ops/div_native.h>
#include <ATen/ops/div_ops.h>
#include <ATen/ops/eq_native.h>
#include <ATen/ops/eq_ops.h>
#include <ATen/ops/erf_native.h>
#include <ATen/ops/erf_ops.h>
#include <ATen/ops/exp_native.h>
#include <ATen/ops/exp_ops.h>
#include <ATen/ops/ge_native.h>
#include <ATen/ops/ge_ops.h>
#include <ATen/ops/gt_native.h>
#include <ATen/ops/gt_ops.h>
#include <ATen/ops/le_native.h>
#include <ATen/ops/le_ops.h>
#include <ATen/ops/lerp_native.h>
#include <ATen/ops/lerp_ops.h>
#include <ATen/ops/log_native.h>
#include <ATen/ops/log_ops.h>
#include <ATen/ops/lt_native.h>
#include <ATen/ops/lt_ops.h>
#include <ATen/ops/maximum_native.h>
#include <ATen/ops/maximum_ops.h>
#include <ATen/ops/minimum_native.h>
#include <ATen/ops/minimum_ops.h>
#include <ATen/ops/mul_native.h>
#include <ATen/ops/mul_ops.h>
#include <ATen/ops/ne_native.h>
#include <ATen/ops/ne_ops.h>
#include <ATen/ops/neg_native.h>
#include <ATen/ops/neg_ops.h>
#include <ATen/ops/pow_native.h>
#include <ATen/ops/pow_ops.h>
#include <ATen/ops/reciprocal_native.h>
#include <ATen/ops/reciprocal_ops.h>
#include <ATen/ops/rsqrt_native.h>
#include <ATen/ops/rsqrt_ops.h>
#include <ATen/ops/sigmoid_backward_native.h>
#include <ATen/ops/sigmoid_backward_ops.h>
#include <ATen/ops/sigmoid_native.h>
#include <ATen/ops/sigmoid_ops.h>
#include <ATen/ops/silu_backward_native.h>
#include <ATen/ops/silu_backward_ops.h>
#include <ATen/ops/silu_native.h>
#include <ATen/ops/silu_ops.h>
#include <ATen/ops/sin_native.h>
#include <ATen/ops/sin_ops.h>
#include <ATen/ops/sqrt_native.h>
#include <ATen/ops/sqrt_ops.h>
#include <ATen/ops/sub_native.h>
#include <ATen/ops/sub_ops.h>
#include <ATen/ops/tanh_backward_native.h>
#include <ATen/ops/tanh_backward_ops.h>
#include <ATen/ops/tanh_native.h>
#include <ATen/ops/tanh_ops.h>
#include <ATen/ops/threshold_backward_native.h>
#include <ATen/ops/threshold_backward_ops.h>

#define FLAGOS_ELEMENTWISE(_)                                       \
  _(add, add_Tensor, ufunc_add_CPU)                                 \
  _(sub, sub_Tensor, sub_out)                                       \
  _(mul, mul_Tensor, mul_out)                                       \
  _(div, div_Tensor, div_out)                                       \
  _(pow, pow_Tensor_Scalar, pow_Tensor_Scalar_out)                  \
  _(maximum, maximum, maximum_out)                                  \
  _(minimum, minimum, minimum_out)                                  \
  _(eq, eq_Tensor, eq_Tensor_out)                                   \
  _(eq, eq_Scalar, eq_Scalar_out)                                   \
  _(ne, ne_Tensor, ne_Tensor_out)                                   \
  _(ne, ne_Scalar, ne_Scalar_out)                                   \
  _(lt, lt_Tensor, lt_Tensor_out)                                   \
  _(lt, lt_Scalar, lt_Scalar_out)                                   \
  _(le, le_Tensor, le_Tensor_out)                                   \
  _(le, le_Scalar, le_Scalar_out)                                   \
  _(gt, gt_Tensor, gt_Tensor_out)                                   \
  _(gt, gt_Scalar, gt_Scalar_out)                                   \
  _(ge, ge_Tensor, ge_Tensor_out)                                   \
  _(ge, ge_Scalar, ge_Scalar_out)                                   \
  _(clamp_min, clamp_min, clamp_min_out)                            \
  _(clamp_max, clamp_max, clamp_max_out)                            \
  _(neg, neg, neg_out)                                              \
  _(exp, exp, exp_out)                                              \
  _(log, log, log_out)                                              \
  _(sin, sin, sin_out)                                              \
  _(cos, cos, cos_out)                                              \
  _(tanh, tanh, tanh_out)                                           \
  _(sigmoid, sigmoid, sigmoid_out)                                  \
  _(sqrt, sqrt, sqrt_out)                                           \
  _(rsqrt, rsqrt, rsqrt_out)                                        \
  _(reciprocal, reciprocal, reciprocal_out)                         \
  _(erf, erf, erf_out)                                              \
  _(silu, silu, silu_out)                                           \
  _(silu_backward, silu_backward, silu_backward_out)                \
  _(tanh_backward, tanh_backward, tanh_backward_out)                \
  _(sigmoid_backward, sigmoid_backward, sigmoid_backward_out)       \
  _(threshold_backward, threshold_backward, threshold_backward_out) \
  _(addcmul, addcmul, addcmul_out)                                  \
  _(addcdiv, addcdiv, addcdiv_out)

#define FLAGOS_ELEMENTWISE_IN_PLACE(_) \
  _(add, add__Tensor, ufunc_add_CPU)   \
  _(sub, sub__Tensor, sub_out)         \
  _(mul, mul__Tensor, mul_out)         \
  _(div, div__Tensor, div_out)         \
  _(addcmul, addcmul_, addcmul_out)    \
  _(addcdiv, addcdiv_, addcdiv_out)    \
  _(lerp, lerp__Scalar, lerp_Scalar)   \
  _(sqrt, sqrt_, sqrt_out)             \
  _(neg, neg_, neg_out)

namespace flagos {

std::optional<at::Tensor> scalar_operand_as(const at::Tensor& scalar, c10::ScalarType dtype) {
  // Python's number decides the dtype of the result only when its kind is above the operand's.
  const bool keeps_dtype = c10::isFloatingType(dtype)
                               ? !scalar.is_complex()
                               : c10::isIntegralType(dtype, /*includeBool=*/false) &&
                                     c10::isIntegralType(scalar.scalar_type(), /*includeBool=*/true);
  if (!keeps_dtype || dtype == c10::kHalf || dtype == c10::kBFloat16) return std::nullopt;
  const auto value = scalar.scalar_type() == c10::kDouble ? at::Scalar(*scalar.const_data_ptr<double>())
                     : scalar.scalar_type() == c10::kLong ? at::Scalar(*scalar.const_data_ptr<int64_t>())
                                                          : scalar.item();
  return at::detail::scalar_tensor_static(value, dtype, c10::kCPU);
}

std::vector<ShortWay> elementwise_short_ways() {
  return {
#define FLAGOS_ROW(header, op, kernel) \
  short_way<at::_ops::op, elementwise::Functional<at::_ops::op, at::native::structured_##kernel>>(),
      FLAGOS_ELEMENTWISE(FLAGOS_ROW)
#undef FLAGOS_ROW
#define FLAGOS_ROW(header, op, kernel) \
  short_way<at::_ops::op, elementwise::InPlace<at::_ops::op, at::native::structured_##kernel>>(),
          FLAGOS_ELEMENTWISE_IN_PLACE(FLAGOS_ROW)
#undef FLAGOS_ROW
  };
}

}  // namespace flagos
