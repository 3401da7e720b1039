// Spare CPU tensors of a thread: making and freeing a TensorImpl and a StorageImpl for each operand of each call costs
// more than the rest of a stand-in, so a thread keeps the few that its calls need.
#pragma once

#include <ATen/core/Tensor.h>

namespace flagos {

// A CPU tensor of `dtype` that nobody else holds, whose storage has no data. Sizes and bits are those of its last use.
at::Tensor take_stand_in(caffe2::TypeMeta dtype);
// Ends the use: the storage lets its data go. Keeps the tensor for the next call unless somebody still holds it.
void give_back_stand_in(at::Tensor&& tensor);

}  // namespace flagos
