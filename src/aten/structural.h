// The structural operators: what makes a tensor of the device and looks at its memory in another way. They are the
// device itself, so they are not routed.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/operator_name.h>

namespace flagos {

bool is_structural(const c10::OperatorName& name);

// An uninitialised tensor of `device` from the device's pool.
at::Tensor empty_on(c10::DeviceIndex device, c10::IntArrayRef size, c10::ScalarType dtype);

// Grows or shrinks a storage, keeping its contents.
void resize_storage(c10::StorageImpl* storage, size_t nbytes);

// `dst` gets the values of `src`, which is broadcast and converted; one of them is on flagos. copy.cc.
at::Tensor& copy(at::Tensor& dst, const at::Tensor& src, bool non_blocking);

}  // namespace flagos
