// The operator that waits for autograd's threads before Python ends (torch_fl/exiting.py says when and why).
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/library.h>

#include "aten/control.h"

namespace flagos {
namespace {

// Blocks until the thread that autograd keeps for the device has let go of every backward pass that it ran before: a
// thread runs its passes in turn, so a pass of our own that has run is behind them all. The pass computes nothing, and
// holds nothing of Python's that the thread would have to let go of in turn: it has no tensor that Python has seen, and
// the threads' state that PyTorch copies into it is that of a call without modes.
void finish_backward(int64_t device) {
  const at::Device on(c10::DeviceType::PrivateUse1, device_argument(device));
  const at::Tensor leaf = at::empty({0}, at::TensorOptions().device(on)).set_requires_grad(true);
  torch::autograd::grad({leaf.view({0})}, {leaf}, {at::empty({0}, at::TensorOptions().device(on))});
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(flagos, m) { m.def("finish_backward(int device) -> ()", &finish_backward); }

}  // namespace flagos
