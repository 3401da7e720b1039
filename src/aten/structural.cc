#include "aten/structural.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "aten/errors.h"
#include "aten/memory.h"

namespace flagos {
namespace {

using at::Tensor;
using c10::IntArrayRef;
constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

c10::DeviceIndex device_or_current(std::optional<c10::Device> device) {
  return resolve_device(device ? device->index() : -1);
}

void check_options(std::optional<c10::Layout> layout, std::optional<bool> pin_memory) {
  TORCH_CHECK_NOT_IMPLEMENTED(layout.value_or(c10::kStrided) == c10::kStrided, "flagos supports strided tensors, not ",
                              *layout, "; make the tensor on cpu, or dense");
  TORCH_CHECK(!pin_memory.value_or(false), "Only dense CPU tensors can be pinned");
}

Tensor empty(IntArrayRef size, std::optional<c10::ScalarType> dtype, std::optional<c10::Layout> layout,
             std::optional<c10::Device> device, std::optional<bool> pin_memory,
             std::optional<c10::MemoryFormat> format) {
  check_options(layout, pin_memory);
  return at::detail::empty_generic(size, device_allocator(device_or_current(device)), kKeys, dtype_or_default(dtype),
                                   format);
}

Tensor empty_strided(IntArrayRef size, IntArrayRef stride, std::optional<c10::ScalarType> dtype,
                     std::optional<c10::Layout> layout, std::optional<c10::Device> device,
                     std::optional<bool> pin_memory) {
  check_options(layout, pin_memory);
  return at::detail::empty_strided_generic(size, stride, device_allocator(device_or_current(device)), kKeys,
                                           dtype_or_default(dtype));
}

// Hands out no memory: a zero tensor of forward-mode AD is known to be zero and is never read.
class NoMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t) override { return {nullptr, c10::Device(kFlagos, device)}; }
  void copy_data(void*, const void*, size_t) const override {}
  c10::DeviceIndex device = 0;
};

Tensor zero_tensor(IntArrayRef size, std::optional<c10::ScalarType> dtype, std::optional<c10::Layout> layout,
                   std::optional<c10::Device> device, std::optional<bool> pin_memory) {
  check_options(layout, pin_memory);
  static auto* allocators = [] {
    auto* all = new std::array<NoMemory, kMaxDevices>;
    for (size_t i = 0; i < all->size(); ++i) (*all)[i].device = static_cast<c10::DeviceIndex>(i);
    return all;
  }();
  auto* none = &(*allocators)[static_cast<size_t>(device_or_current(device))];
  return at::detail::empty_generic(size, none, kKeys.add(c10::DispatchKey::ZeroTensor), dtype_or_default(dtype),
                                   std::nullopt);
}

// Makes room for the tensor's current sizes, strides and offset.
void grow_for(c10::TensorImpl* impl) {
  if (impl->numel() == 0) return;
  const auto needed = at::detail::computeStorageNbytes(impl->sizes(), impl->strides(), impl->dtype().itemsize(),
                                                       static_cast<size_t>(impl->storage_offset()));
  auto* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  if (needed > storage->nbytes()) resize_storage(storage, needed);
}

const Tensor& resize_(const Tensor& self, IntArrayRef size, std::optional<c10::MemoryFormat> format) {
  auto* impl = self.unsafeGetTensorImpl();
  if (self.sizes() != size) {
    impl->set_sizes_contiguous(size);
    grow_for(impl);
  }
  if (format) {
    TORCH_CHECK(*format != c10::MemoryFormat::Preserve, "Unsupported memory format ", *format);
    impl->empty_tensor_restride(*format);
  }
  return self;
}

Tensor& set_storage_strided(Tensor& self, c10::Storage storage, int64_t offset, IntArrayRef size, IntArrayRef stride) {
  at::native::checkSetStorage(self, std::move(storage), offset, size, stride);
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_offset(offset);
  if (stride.data() != nullptr) {
    impl->set_sizes_and_strides(size, stride);
  } else {
    impl->set_sizes_contiguous(size);
  }
  grow_for(impl);
  return self;
}

Tensor& set_storage(Tensor& self, c10::Storage storage) {
  const auto elements = static_cast<int64_t>(storage.nbytes() / self.dtype().itemsize());
  return set_storage_strided(self, std::move(storage), 0, elements, {});
}

Tensor& set_tensor(Tensor& self, const Tensor& source) {
  if (self.is_same(source)) return self;
  return set_storage_strided(self, source.storage(), source.storage_offset(), source.sizes(), source.strides());
}

Tensor& set_nothing(Tensor& self) {
  const auto device = self.device().index();
  c10::Storage none(c10::Storage::use_byte_size_t(), 0, allocate_on(device, 0), device_allocator(device),
                    /*resizable=*/true);
  return set_storage_strided(self, std::move(none), 0, {0}, {});
}

void record_stream(Tensor& self, c10::Stream stream) {
  caching_allocator()->recordStream(self.storage().data_ptr(), stream);
}

// Lets `parameter.data = other` and Module.to() keep the Parameter object across cpu and flagos, so that optimizers
// made before the move go on working.
bool has_compatible_shallow_copy_type(const Tensor& self, const Tensor& from) {
  const auto dense = [](const Tensor& tensor) {
    const auto type = tensor.device().type();
    return tensor.layout() == c10::kStrided && !tensor.is_quantized() && (type == c10::kCPU || type == kFlagos);
  };
  return dense(self) && dense(from);
}

constexpr std::array<std::string_view, 19> kStructural = {"empty.memory_format",
                                                          "empty_strided",
                                                          "_efficientzerotensor",
                                                          "as_strided",
                                                          "view",
                                                          "_reshape_alias",
                                                          "unfold",
                                                          "view_as_real",
                                                          "view_as_complex",
                                                          "resize_",
                                                          "set_",
                                                          "set_.source_Storage",
                                                          "set_.source_Storage_storage_offset",
                                                          "set_.source_Tensor",
                                                          "_copy_from",
                                                          "_copy_from_and_resize",
                                                          "copy_",
                                                          "record_stream",
                                                          "_has_compatible_shallow_copy_type"};

}  // namespace

bool is_structural(const c10::OperatorName& name) {
  std::string_view base(name.name);
  base.remove_prefix(std::string_view("aten::").size());
  return std::any_of(kStructural.begin(), kStructural.end(), [&](std::string_view own) {
    if (name.overload_name.empty()) return own == base;
    return own.size() == base.size() + 1 + name.overload_name.size() && own.substr(0, base.size()) == base &&
           own[base.size()] == '.' && own.substr(base.size() + 1) == name.overload_name;
  });
}

Tensor empty_on(c10::DeviceIndex device, IntArrayRef size, c10::ScalarType dtype) {
  return at::detail::empty_generic(size, device_allocator(device), kKeys, dtype, std::nullopt);
}

void resize_storage(c10::StorageImpl* storage, size_t nbytes) {
  TORCH_CHECK(storage->resizable(), "Trying to resize storage that is not resizable");
  const auto device = storage->device().index();
  auto fresh = allocate_on(device, nbytes);
  if (const auto kept = std::min(nbytes, storage->nbytes()); kept > 0) {
    auto* stream = current_stream(device);
    const fl_copy_side to{reinterpret_cast<uint64_t>(fresh.get()), device, stream};
    const fl_copy_side from{reinterpret_cast<uint64_t>(storage->data()), device, stream};
    check(fl_copy(&to, &from, kept, FL_COPY_ASYNC));
  }
  storage->set_data_ptr_noswap(std::move(fresh));
  storage->set_nbytes(nbytes);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_efficientzerotensor", &zero_tensor);
  // Views need the metadata alone: PyTorch's own functions serve any device.
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", static_cast<Tensor (*)(const Tensor&, IntArrayRef)>(&at::native::view));
  m.impl("_reshape_alias",
         static_cast<Tensor (*)(const Tensor&, IntArrayRef, IntArrayRef)>(&at::native::_reshape_alias));
  m.impl("unfold", &at::native::unfold);
  m.impl("view_as_real", &at::native::view_as_real);
  m.impl("view_as_complex", &at::native::view_as_complex);
  m.impl("resize_", &resize_);
  m.impl("set_", &set_nothing);
  m.impl("set_.source_Storage", &set_storage);
  m.impl("set_.source_Storage_storage_offset", &set_storage_strided);
  m.impl("set_.source_Tensor", &set_tensor);
  m.impl("record_stream", &record_stream);
  m.impl("_has_compatible_shallow_copy_type", &has_compatible_shallow_copy_type);
}

}  // namespace flagos
