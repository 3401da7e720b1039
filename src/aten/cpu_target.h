// The target `cpu`: PyTorch's own CPU kernels, in place on a device with host access, over copies elsewhere.
#pragma once

#include "aten/operator.h"

namespace flagos {

// Runs the CPU kernel of the call's operator on stand-ins of its operands.
void run_on_cpu(const Call& call);

}  // namespace flagos
