// The kernel that PrivateUse1 has for a routed operator: it looks at the operator's route and runs the target.
#pragma once

#include <torch/library.h>

#include <memory>

#include "aten/operator.h"

namespace flagos {

class RoutedKernel final : public c10::OperatorKernel {
 public:
  explicit RoutedKernel(const Operator& op) : op_(op) {}
  void operator()(const c10::OperatorHandle& handle, c10::DispatchKeySet /*keys*/, torch::jit::Stack* stack) {
    run_routed({handle, op_, *stack});
  }

 private:
  const Operator& op_;
};

inline torch::CppFunction routed_kernel(const Operator& op) {
  return torch::CppFunction::makeFromBoxedFunctor(std::make_unique<RoutedKernel>(op));
}

}  // namespace flagos
