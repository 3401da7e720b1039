#include "aten/stand_in.h"

#include <c10/core/InferenceMode.h>

#include <array>

namespace flagos {
namespace {

constexpr size_t kSpare = 16;  // more operands than any common operator has; the rest is made anew

// Plain data, so it can be read when the thread's spares are gone: exit handlers may still run operators.
thread_local bool t_ended = false;

struct Spares {
  std::array<at::Tensor, kSpare> tensors;
  size_t count = 0;
  ~Spares() { t_ended = true; }
};
thread_local Spares spares;

at::Tensor fresh(caffe2::TypeMeta dtype) {
  // Made outside of inference mode, so that it serves both: an inference tensor has no version counter.
  const c10::InferenceMode off(false);
  auto storage =
      c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), 0, c10::DataPtr(nullptr, c10::kCPU),
                                            /*allocator=*/nullptr, /*resizable=*/false);
  return at::detail::make_tensor<c10::TensorImpl>(c10::Storage(std::move(storage)),
                                                  c10::DispatchKeySet(c10::DispatchKey::CPU), dtype);
}

}  // namespace

at::Tensor take_stand_in(caffe2::TypeMeta dtype) {
  if (t_ended || spares.count == 0) return fresh(dtype);
  auto tensor = std::move(spares.tensors[--spares.count]);
  auto* impl = tensor.unsafeGetTensorImpl();
  if (impl->dtype() != dtype) impl->set_storage_and_dtype(tensor.storage(), dtype);
  return tensor;
}

void give_back_stand_in(at::Tensor&& tensor) {
  at::Tensor mine(std::move(tensor));
  auto* storage = mine.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(c10::DataPtr(nullptr, c10::kCPU));
  storage->set_nbytes(static_cast<size_t>(0));
  if (!t_ended && spares.count < kSpare && mine.use_count() == 1 && mine.storage().use_count() == 1) {
    spares.tensors[spares.count++] = std::move(mine);
  }
}

}  // namespace flagos
