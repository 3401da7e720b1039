// LSTM and GRU cells. PyTorch calls these fused cells on every device but the CPU, so there is no CPU kernel to route
// to; they are written here of plain operators, which are routed themselves. Formulas: torch.nn.LSTMCell and GRUCell.
//
// Layout: gates are [batch, 4 * hidden] (input, forget, cell, output) or [batch, 3 * hidden] (reset, update, new). The
// workspace is what the backward needs: the four activated gates, or (reset, update, new, hx, hidden part of new).
#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include <tuple>

#include "aten/own_kernels.h"

namespace flagos {
namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

bool given(const MaybeTensor& tensor) { return tensor && tensor->defined(); }
Tensor with_bias(const Tensor& gates, const MaybeTensor& bias) { return given(bias) ? gates + *bias : gates; }
Tensor or_zeros(const MaybeTensor& grad, const Tensor& like) { return given(grad) ? *grad : at::zeros_like(like); }

std::tuple<Tensor, Tensor, Tensor> lstm_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& cx,
                                             const MaybeTensor& input_bias, const MaybeTensor& hidden_bias) {
  const auto gates = (with_bias(hidden_gates, hidden_bias) + with_bias(input_gates, input_bias)).chunk(4, 1);
  const auto input = gates[0].sigmoid(), forget = gates[1].sigmoid(), cell = gates[2].tanh(),
             output = gates[3].sigmoid();
  const auto cy = forget * cx + input * cell;
  return {output * cy.tanh(), cy, at::cat({input, forget, cell, output}, 1)};
}

std::tuple<Tensor, Tensor, Tensor> lstm_cell_backward(const MaybeTensor& maybe_grad_hy,
                                                      const MaybeTensor& maybe_grad_cy, const Tensor& cx,
                                                      const Tensor& cy, const Tensor& workspace, bool has_bias) {
  if (!given(maybe_grad_hy) && !given(maybe_grad_cy)) return {};
  const auto gates = workspace.chunk(4, 1);
  const auto &input = gates[0], &forget = gates[1], &cell = gates[2], &output = gates[3];
  const auto grad_hy = or_zeros(maybe_grad_hy, cy);
  const auto tanh_cy = cy.tanh();
  const auto grad_c = grad_hy * output * (1 - tanh_cy * tanh_cy) + or_zeros(maybe_grad_cy, cy);
  const auto grad_gates = at::cat({grad_c * cell * input * (1 - input), grad_c * cx * forget * (1 - forget),
                                   grad_c * input * (1 - cell * cell), grad_hy * tanh_cy * output * (1 - output)},
                                  1);
  return {grad_gates, grad_c * forget, has_bias ? grad_gates.sum(0) : Tensor()};
}

std::tuple<Tensor, Tensor> gru_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& hx,
                                    const MaybeTensor& input_bias, const MaybeTensor& hidden_bias) {
  const auto input = with_bias(input_gates, input_bias).chunk(3, 1);
  const auto hidden = with_bias(hidden_gates, hidden_bias).chunk(3, 1);
  const auto reset = (hidden[0] + input[0]).sigmoid(), update = (hidden[1] + input[1]).sigmoid();
  const auto fresh = (input[2] + hidden[2] * reset).tanh();
  return {(hx - fresh) * update + fresh, at::cat({reset, update, fresh, hx, hidden[2]}, 1)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> gru_cell_backward(const Tensor& grad_hy, const Tensor& workspace,
                                                                     bool has_bias) {
  const auto saved = workspace.chunk(5, 1);
  const auto &reset = saved[0], &update = saved[1], &fresh = saved[2], &hx = saved[3], &hidden_new = saved[4];
  const auto grad_update = grad_hy * (hx - fresh) * update * (1 - update);
  const auto grad_new = grad_hy * (1 - update) * (1 - fresh * fresh);
  const auto grad_reset = grad_new * hidden_new * reset * (1 - reset);
  const auto grad_input = at::cat({grad_reset, grad_update, grad_new}, 1);
  const auto grad_hidden = at::cat({grad_reset, grad_update, grad_new * reset}, 1);
  return {grad_input, grad_hidden, grad_hy * update, has_bias ? grad_input.sum(0) : Tensor(),
          has_bias ? grad_hidden.sum(0) : Tensor()};
}

}  // namespace

std::vector<OwnKernelEntry> recurrent_kernels() {
  return {{"_thnn_fused_lstm_cell", &run_own<&lstm_cell>},
          {"_thnn_fused_lstm_cell_backward_impl", &run_own<&lstm_cell_backward>},
          {"_thnn_fused_gru_cell", &run_own<&gru_cell>},
          {"_thnn_fused_gru_cell_backward", &run_own<&gru_cell_backward>}};
}

}  // namespace flagos
