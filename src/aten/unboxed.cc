// The operators that take the middle way (unboxed.h).
#include "aten/unboxed.h"

#include <ATen/ops/_local_scalar_dense_ops.h>
#include <ATen/ops/_log_softmax_backward_data_native.h>
#include <ATen/ops/_log_softmax_backward_data_ops.h>
#include <ATen/ops/_log_softmax_native.h>
#include <ATen/ops/_log_softmax_ops.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward_ops.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_ops.h>
#include <ATen/ops/_softmax_backward_data_native.h>
#include <ATen/ops/_softmax_backward_data_ops.h>
#include <ATen/ops/_softmax_native.h>
#include <ATen/ops/_softmax_ops.h>
#include <ATen/ops/addmm_native.h>
#include <ATen/ops/addmm_ops.h>
#include <ATen/ops/all_ops.h>
#include <ATen/ops/any_ops.h>
#include <ATen/ops/argmax_ops.h>
#include <ATen/ops/baddbmm_native.h>
#include <ATen/ops/baddbmm_ops.h>
#include <ATen/ops/bitwise_not_ops.h>
#include <ATen/ops/bmm_native.h>
#include <ATen/ops/bmm_ops.h>
#include <ATen/ops/constant_pad_nd_ops.h>
#include <ATen/ops/embedding_dense_backward_ops.h>
#include <ATen/ops/embedding_ops.h>
#include <ATen/ops/gather_native.h>
#include <ATen/ops/gather_ops.h>
#include <ATen/ops/gelu_backward_native.h>
#include <ATen/ops/gelu_backward_ops.h>
#include <ATen/ops/gelu_native.h>
#include <ATen/ops/gelu_ops.h>
#include <ATen/ops/index_select_ops.h>
#include <ATen/ops/logical_not_ops.h>
#include <ATen/ops/masked_fill_ops.h>
#include <ATen/ops/mean_native.h>
#include <ATen/ops/mean_ops.h>
#include <ATen/ops/mm_native.h>
#include <ATen/ops/mm_ops.h>
#include <ATen/ops/native_layer_norm_backward_ops.h>
#include <ATen/ops/native_layer_norm_ops.h>
#include <ATen/ops/nll_loss_backward_ops.h>
#include <ATen/ops/nll_loss_forward_ops.h>
#include <ATen/ops/relu_ops.h>
#include <ATen/ops/sum_native.h>
#include <ATen/ops/sum_ops.h>
#include <ATen/ops/where_ops.h>

namespace flagos {

std::vector<ShortWay> unboxed_ways() {
  return {
#define FLAGOS_ROW(op, kernel) \
  short_way<at::_ops::op, unboxed::Structured<at::_ops::op, at::native::structured_##kernel>>()
      FLAGOS_ROW(mm, mm_out_cpu),
      FLAGOS_ROW(addmm, addmm_out_cpu),
      FLAGOS_ROW(bmm, bmm_out_cpu),
      FLAGOS_ROW(baddbmm, baddbmm_out_cpu),
      FLAGOS_ROW(_softmax, softmax_cpu_out),
      FLAGOS_ROW(_log_softmax, log_softmax_cpu_out),
      FLAGOS_ROW(_softmax_backward_data, softmax_backward_cpu_out),
      FLAGOS_ROW(_log_softmax_backward_data, log_softmax_backward_cpu_out),
      FLAGOS_ROW(sum_dim_IntList, sum_out),
      FLAGOS_ROW(mean_dim, mean_out),
      FLAGOS_ROW(gelu, gelu_out_cpu),
      FLAGOS_ROW(gelu_backward, gelu_backward_out_cpu),
      FLAGOS_ROW(gather, gather_out),
#undef FLAGOS_ROW
#define FLAGOS_ROW(op) short_way<at::_ops::op, unboxed::Kernel<at::_ops::op>>()
      FLAGOS_ROW(native_layer_norm),
      FLAGOS_ROW(native_layer_norm_backward),
      FLAGOS_ROW(_scaled_dot_product_flash_attention_for_cpu),
      FLAGOS_ROW(_scaled_dot_product_flash_attention_for_cpu_backward),
      FLAGOS_ROW(index_select),
      FLAGOS_ROW(embedding),
      FLAGOS_ROW(embedding_dense_backward),
      FLAGOS_ROW(where_self),
      FLAGOS_ROW(relu),
      FLAGOS_ROW(bitwise_not),
      FLAGOS_ROW(argmax),
      FLAGOS_ROW(all),
      FLAGOS_ROW(any),
      FLAGOS_ROW(_local_scalar_dense),
      FLAGOS_ROW(nll_loss_forward),
      FLAGOS_ROW(nll_loss_backward),
      FLAGOS_ROW(masked_fill_Scalar),
      FLAGOS_ROW(logical_not),
      FLAGOS_ROW(constant_pad_nd),
#undef FLAGOS_ROW
  };
}

}  // namespace flagos
