// Which kernel scaled_dot_product_attention uses on flagos: the flash kernel that PyTorch has for the CPU wherever the
// CPU would use it, else the composite of plain operators.
//
// PyTorch's own chooser for the CPU is not exported; its conditions are inline functions, and this is their list. It
// runs on fake tensors with symbolic sizes under torch.compile, so it looks at metadata only.
#include <ATen/native/DispatchStub.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/native/transformers/sdp_utils_cpp.h>

#include <algorithm>
#include <array>

namespace flagos {
namespace {

using at::Tensor;

bool flash_takes(const sdp::sdp_params& params) {
  constexpr std::array<bool (*)(const sdp::sdp_params&, bool), 8> kConditions = {
      sdp::check_runtime_disabled_flash,
      sdp::check_nested_tensor,
      sdp::check_for_dropout,
      sdp::check_tensor_shapes,
      sdp::check_batch_size_and_num_heads_dense</*supports_gqa=*/true, /*requires_same_num_heads=*/false>,
      sdp::check_attn_mask_shape,
      sdp::check_nonzero_sequence_lengths_dense,
      sdp::check_last_dim_stride_equals_1_dense</*ignore_singleton_dim=*/false>};
  if (!std::all_of(kConditions.begin(), kConditions.end(), [&](auto holds) { return holds(params, /*debug=*/false); }))
    return false;
  constexpr std::array kDtypes = {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf};
  const auto dtype = params.query.scalar_type();
  if (std::find(kDtypes.begin(), kDtypes.end(), dtype) == kDtypes.end()) return false;
  const auto head_size = params.query.sym_size(-1);
  return params.key.scalar_type() == dtype && params.value.scalar_type() == dtype &&
         head_size == params.key.sym_size(-1) && head_size == params.value.sym_size(-1);
}

int64_t choose(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask,
               double dropout, bool is_causal, std::optional<double> /*scale*/, bool enable_gqa) {
  const sdp::sdp_params params{query, key, value, mask, dropout, is_causal, enable_gqa};
  if (flash_takes(params)) return static_cast<int64_t>(sdp::SDPBackend::flash_attention);
  TORCH_CHECK(
      at::globalContext().userEnabledMathSDP(),
      "flagos: scaled_dot_product_attention has no kernel for these arguments but the math one, which is disabled by "
      "sdpa_kernel; allow SDPBackend.MATH");
  return static_cast<int64_t>(sdp::SDPBackend::math);
}

}  // namespace
}  // namespace flagos

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &flagos::choose)
}  // namespace at::native
