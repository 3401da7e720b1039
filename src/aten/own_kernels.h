// Operators that the target `cpu` serves by kernels of our own: those that PyTorch calls on a device and never on the
// CPU, and the random ones, whose engine is ours.
#pragma once

#include <ATen/core/boxing/KernelFunction.h>

#include <vector>

#include "aten/operator.h"

namespace flagos {

struct OwnKernelEntry {
  const char* name;  // as in conf files
  OwnKernel run;
};

std::vector<OwnKernelEntry> recurrent_kernels();  // recurrent.cc
std::vector<OwnKernelEntry> random_kernels();     // random.cc

// Adapts a function with the operator's C++ signature.
template <auto Function>
void run_own(const Call& call) {
  static const auto kernel = c10::KernelFunction::makeFromUnboxedFunction(TORCH_FN(Function));
  kernel.callBoxed(call.handle, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), &call.stack);
}

}  // namespace flagos
