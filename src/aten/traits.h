// The traits of a call's operands (routing.h): what a target may refuse by its mask.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace flagos {

// Traits of one tensor; 0 for an undefined one.
uint64_t traits_of(const at::Tensor& tensor);
// Those of a call with these operands.
uint64_t traits_of(at::TensorList operands);

}  // namespace flagos
