// Operators that Python's lightx2v_fl calls for the host's own kernels of transformer blocks: attention, norms, rotary
// embedding, int8 linear. What they compute is said in include/flagos/transformer.h. They serve `cpu` tensors and those
// of a flagos device whose memory the host computes on; elsewhere the operands are copied (host_call.h), which is
// correct and slow, so that lightx2v_fl does not ask for it. They stand below autograd: inference only.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "aten/control.h"
#include "aten/host_call.h"
#include "aten/structural.h"
#include "flagos/transformer.h"

namespace flagos {
namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

fl_dtype floating_dtype(c10::ScalarType dtype, const char* op, const char* name) {
  switch (dtype) {
    case at::kHalf:
      return FL_FLOAT16;
    case at::kBFloat16:
      return FL_BFLOAT16;
    case at::kFloat:
      return FL_FLOAT32;
    default:
      TORCH_CHECK_TYPE(false, op, ": ", name, " has dtype ", dtype, "; expected float32, bfloat16 or float16");
  }
}

// One call on operands of `cpu` or flagos: each becomes something the host can read or write.
class Operands {
 public:
  explicit Operands(const char* name) : name_(name), call_(name) {}

  Tensor in(const Tensor& tensor) {
    return tensor.is_privateuseone() ? call_.enter(tensor, /*written=*/false) : tensor;
  }
  Tensor out(const Tensor& tensor) {
    return tensor.is_privateuseone() ? call_.enter(tensor, /*written=*/true) : tensor;
  }
  void finish() { call_.finish(); }

  // fp32 and contiguous, kept until the call is over; nullptr for an absent one.
  const float* floats(const MaybeTensor& tensor, int64_t count, const char* what) {
    if (!tensor || !tensor->defined()) return nullptr;
    TORCH_CHECK_VALUE(tensor->numel() == count, name_, ": ", what, " has ", tensor->numel(), " values; expected ",
                      count);
    kept_.push_back(in(*tensor).to(at::kFloat).contiguous());
    return kept_.back().const_data_ptr<float>();
  }

 private:
  const char* name_;
  HostCall call_;
  std::vector<Tensor> kept_;
};

Tensor with_dense_rows(const Tensor& x) { return x.dim() > 0 && x.stride(-1) == 1 ? x : x.contiguous(); }

// x as rows of its last dimension at one distance.
Tensor as_rows(const Tensor& x) {
  const auto width = x.dim() == 0 ? 1 : x.size(-1);
  if (x.dim() == 2 && x.stride(1) == 1) return x;
  return x.contiguous().view({width == 0 ? 0 : x.numel() / width, width});
}

template <fl_status (*Norm)(const fl_norm_args*)>
Tensor norm(const char* op, const Tensor& x, const MaybeTensor& weight, const MaybeTensor& bias, double eps,
            std::optional<c10::ScalarType> dtype) {
  TORCH_CHECK_VALUE(x.dim() > 0, op, ": x has no dimension; expected at least one");
  const auto out = at::empty(x.sizes(), x.options().dtype(dtype.value_or(x.scalar_type())));
  if (x.numel() == 0) return out;
  Operands operands(op);
  const auto rows = as_rows(operands.in(x));
  auto written = operands.out(out);
  fl_norm_args args{};
  args.struct_size = sizeof args;
  args.x = rows.const_data_ptr();
  args.out = written.mutable_data_ptr();
  args.weight = operands.floats(weight, x.size(-1), "weight");
  args.bias = operands.floats(bias, x.size(-1), "bias");
  args.x_dtype = floating_dtype(x.scalar_type(), op, "x");
  args.out_dtype = floating_dtype(out.scalar_type(), op, "the result");
  args.rows = rows.size(0);
  args.width = rows.size(1);
  args.row_stride = rows.stride(0);
  args.eps = static_cast<float>(eps);
  check(Norm(&args));
  operands.finish();
  return out;
}

Tensor rms_norm(const Tensor& x, const MaybeTensor& weight, double eps, std::optional<c10::ScalarType> dtype) {
  return norm<&fl_rms_norm>("rms_norm", x, weight, std::nullopt, eps, dtype);
}

Tensor layer_norm(const Tensor& x, const MaybeTensor& weight, const MaybeTensor& bias, double eps,
                  std::optional<c10::ScalarType> dtype) {
  return norm<&fl_layer_norm>("layer_norm", x, weight, bias, eps, dtype);
}

Tensor in_four_dimensions(Tensor tensor) {
  while (tensor.dim() < 4) tensor = tensor.unsqueeze(0);
  return tensor;
}

Tensor rotary_embedding(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved) {
  constexpr const char* kOp = "rotary_embedding";
  TORCH_CHECK_VALUE(x.dim() >= 1 && x.dim() <= 4, kOp, ": x has ", x.dim(), " dimensions; expected 1 to 4");
  TORCH_CHECK_VALUE(x.size(-1) % 2 == 0, kOp, ": x has ", x.size(-1), " channels; expected an even number");
  TORCH_CHECK_TYPE(cos.scalar_type() == at::kFloat && sin.scalar_type() == at::kFloat, kOp,
                   ": cos and sin have dtypes ", cos.scalar_type(), " and ", sin.scalar_type(), "; expected float32");
  TORCH_CHECK_VALUE(cos.sizes() == sin.sizes() && cos.dim() <= x.dim() && cos.dim() >= 1 &&
                        (cos.size(-1) == x.size(-1) || cos.size(-1) * 2 == x.size(-1)),
                    kOp, ": cos and sin have sizes ", cos.sizes(), " and ", sin.sizes(), " for x of ", x.sizes(),
                    "; expected both alike, as wide as x or half of it");
  const auto out = at::empty(x.sizes(), x.options());
  if (x.numel() == 0) return out;
  Operands operands(kOp);
  const auto from = in_four_dimensions(with_dense_rows(operands.in(x)));
  auto table_sizes = from.sizes().vec();
  table_sizes[3] = cos.size(-1);
  const auto c = in_four_dimensions(operands.in(cos)).expand(table_sizes);
  const auto s = in_four_dimensions(operands.in(sin)).expand(table_sizes);
  auto written = operands.out(out);
  fl_rotary_args args{};
  args.struct_size = sizeof args;
  args.x = from.const_data_ptr();
  args.out = written.mutable_data_ptr();
  args.cos = c.const_data_ptr<float>();
  args.sin = s.const_data_ptr<float>();
  args.dtype = floating_dtype(x.scalar_type(), kOp, "x");
  for (int i = 0; i < 3; ++i) args.sizes[i] = from.size(i), args.x_strides[i] = from.stride(i);
  for (int i = 0; i < 4; ++i) args.cos_strides[i] = c.stride(i), args.sin_strides[i] = s.stride(i);
  args.width = from.size(3);
  args.table_width = cos.size(-1);
  args.interleaved = interleaved;
  check(fl_rotary(&args));
  operands.finish();
  return out;
}

// The bounds of segments as 64-bit numbers: those given, or `batch` equal parts of `rows`.
std::vector<int64_t> bounds_of(Operands& operands, const MaybeTensor& cu, int64_t batch, int64_t rows,
                               const char* what) {
  if (!cu || !cu->defined()) {
    TORCH_CHECK_VALUE(batch >= 1 && rows % batch == 0, "attention: ", rows, " rows cannot be ", batch, " equal parts");
    std::vector<int64_t> bounds(static_cast<size_t>(batch) + 1);
    for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = static_cast<int64_t>(i) * (rows / batch);
    return bounds;
  }
  const auto host = operands.in(*cu).to(at::kLong).contiguous();
  const auto* values = host.const_data_ptr<int64_t>();
  std::vector<int64_t> bounds(values, values + host.numel());
  TORCH_CHECK_VALUE(bounds.size() >= 2 && bounds.front() >= 0 && bounds.back() <= rows, "attention: ", what, " has ",
                    bounds.size(), " bounds; expected at least 2, from 0 to at most ", rows);
  return bounds;
}

std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const MaybeTensor& cu_q,
                                     const MaybeTensor& cu_kv, const MaybeTensor& mask, int64_t batch, bool causal,
                                     std::optional<double> scale, bool with_lse) {
  constexpr const char* kOp = "attention";
  TORCH_CHECK_VALUE(q.dim() == 3 && k.dim() == 3 && k.sizes() == v.sizes() && q.size(2) == k.size(2), kOp,
                    ": q, k, v have sizes ", q.sizes(), ", ", k.sizes(), ", ", v.sizes(),
                    "; expected [rows, heads, head size], k and v alike");
  TORCH_CHECK_TYPE(q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type(), kOp,
                   ": q, k, v have dtypes ", q.scalar_type(), ", ", k.scalar_type(), ", ", v.scalar_type(),
                   "; expected one");
  // Rows outside of every segment are not written by the kernel.
  const bool covered = !cu_q || !cu_q->defined();
  const auto out = covered ? at::empty(q.sizes(), q.options()) : at::zeros(q.sizes(), q.options());
  const auto lse = at::full({with_lse ? q.size(0) : 0, q.size(1)}, -std::numeric_limits<float>::infinity(),
                            q.options().dtype(at::kFloat));
  if (q.numel() == 0) return {out, lse};
  Operands operands(kOp);
  const auto from_q = with_dense_rows(operands.in(q)), from_k = with_dense_rows(operands.in(k)),
             from_v = with_dense_rows(operands.in(v));
  const auto q_bounds = bounds_of(operands, cu_q, batch, q.size(0), "cu_seqlens_q");
  const auto kv_bounds = bounds_of(operands, cu_kv, batch, k.size(0), "cu_seqlens_kv");
  TORCH_CHECK_VALUE(q_bounds.size() == kv_bounds.size(), kOp, ": ", q_bounds.size() - 1, " segments of queries and ",
                    kv_bounds.size() - 1, " of keys; expected as many");
  auto written = operands.out(out);
  auto written_lse = operands.out(lse);
  fl_attention_args args{};
  args.struct_size = sizeof args;
  args.q = from_q.const_data_ptr();
  args.k = from_k.const_data_ptr();
  args.v = from_v.const_data_ptr();
  args.out = written.mutable_data_ptr();
  args.lse = with_lse ? written_lse.mutable_data_ptr<float>() : nullptr;
  Tensor added;
  if (mask && mask->defined()) {
    TORCH_CHECK_VALUE(mask->dim() == 4 && mask->scalar_type() == at::kFloat, kOp,
                      ": the mask must be float32 [segments, heads, queries, keys]");
    added = operands.in(*mask);
    args.mask = added.const_data_ptr<float>();
    for (int i = 0; i < 4; ++i) args.mask_strides[i] = added.stride(i);
  }
  args.q_bounds = q_bounds.data();
  args.kv_bounds = kv_bounds.data();
  args.dtype = floating_dtype(q.scalar_type(), kOp, "q");
  args.segments = static_cast<int64_t>(q_bounds.size()) - 1;
  args.heads = q.size(1);
  args.kv_heads = k.size(1);
  args.head_size = q.size(2);
  for (int i = 0; i < 2; ++i) {
    args.q_strides[i] = from_q.stride(i);
    args.k_strides[i] = from_k.stride(i);
    args.v_strides[i] = from_v.stride(i);
  }
  args.scale = static_cast<float>(scale.value_or(1 / std::sqrt(static_cast<double>(q.size(2)))));
  args.causal = causal;
  check(fl_attention(&args));
  operands.finish();
  return {out, lse};
}

Tensor int8_linear(const Tensor& x, const Tensor& weight, const Tensor& scale, const MaybeTensor& bias) {
  constexpr const char* kOp = "int8_linear";
  TORCH_CHECK_VALUE(x.dim() == 2 && weight.dim() == 2 && x.size(1) == weight.size(1), kOp, ": x and weight have sizes ",
                    x.sizes(), " and ", weight.sizes(), "; expected [rows, inputs] and [outputs, inputs]");
  TORCH_CHECK_TYPE(weight.scalar_type() == at::kChar, kOp, ": weight has dtype ", weight.scalar_type(),
                   "; expected int8");
  const auto y = at::empty({x.size(0), weight.size(0)}, x.options());
  if (y.numel() == 0) return y;
  Operands operands(kOp);
  const auto rows = as_rows(operands.in(x)), weights = operands.in(weight).contiguous();
  auto written = operands.out(y);
  fl_int8_linear_args args{};
  args.struct_size = sizeof args;
  args.x = rows.const_data_ptr();
  args.weight = weights.const_data_ptr<int8_t>();
  args.scale = operands.floats(scale, weight.size(0), "scale");
  args.bias = operands.floats(bias, weight.size(0), "bias");
  args.y = written.mutable_data_ptr();
  args.dtype = floating_dtype(x.scalar_type(), kOp, "x");
  args.rows = x.size(0);
  args.inputs = x.size(1);
  args.outputs = weight.size(0);
  args.row_stride = rows.stride(0);
  check(fl_int8_linear(&args));
  operands.finish();
  return y;
}

std::string or_empty(const char* text) { return text != nullptr ? text : ""; }

}  // namespace

TORCH_LIBRARY_FRAGMENT(flagos, m) {
  m.def("rms_norm(Tensor x, Tensor? weight, float eps, ScalarType? dtype=None) -> Tensor");
  m.def("layer_norm(Tensor x, Tensor? weight, Tensor? bias, float eps, ScalarType? dtype=None) -> Tensor");
  m.def("rotary_embedding(Tensor x, Tensor cos, Tensor sin, bool interleaved) -> Tensor");
  m.def(
      "attention(Tensor q, Tensor k, Tensor v, Tensor? cu_seqlens_q, Tensor? cu_seqlens_kv, Tensor? mask, int batch, "
      "bool causal, float? scale, bool lse) -> (Tensor, Tensor)");
  m.def("int8_linear(Tensor x, Tensor weight, Tensor scale, Tensor? bias) -> Tensor");
  // Why this CPU has no kernel of its own; "" when it has.
  m.def("int8_linear_absent() -> str", [] { return or_empty(fl_int8_linear_absent()); });
  m.def("transformer_code_path() -> str", [] { return std::string(fl_transformer_code_path()); });
}

void register_transformer(torch::Library& m) {
  m.impl("rms_norm", &rms_norm);
  m.impl("layer_norm", &layer_norm);
  m.impl("rotary_embedding", &rotary_embedding);
  m.impl("attention", &attention);
  m.impl("int8_linear", &int8_linear);
}
TORCH_LIBRARY_IMPL(flagos, PrivateUse1, m) { register_transformer(m); }
TORCH_LIBRARY_IMPL(flagos, CPU, m) { register_transformer(m); }

}  // namespace flagos
