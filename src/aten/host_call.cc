#include "aten/host_call.h"

#include <array>

#include "aten/errors.h"
#include "aten/memory.h"
#include "aten/stand_in.h"
#include "flagos/routing.h"

namespace flagos {
namespace {

c10::DispatchKeySet keys_of(c10::DispatchKey backend, const at::Tensor& like) {
  c10::DispatchKeySet keys(backend);
  return like._is_zerotensor() ? keys.add(c10::DispatchKey::ZeroTensor) : keys;
}

// What a tensor is besides sizes and dtype.
void copy_bits(c10::TensorImpl* to, const at::Tensor& from) {
  const auto* impl = from.unsafeGetTensorImpl();
  if (to->is_wrapped_number() != impl->is_wrapped_number()) to->set_wrapped_number(impl->is_wrapped_number());
  if (to->is_conj() != from.is_conj()) to->_set_conj(from.is_conj());
  if (to->is_neg() != from.is_neg()) to->_set_neg(from.is_neg());
}

// The kernel may write through a stand-in even when its schema does not say so of a storage shared with another
// operand: asking for mutable data also unshares copy-on-write storages.
void* data_of(c10::StorageImpl* storage, bool written) {
  return written ? storage->mutable_data() : const_cast<void*>(storage->data());
}

}  // namespace

HostCall::~HostCall() {
  for (auto operand = tensors_.rbegin(); operand != tensors_.rend(); ++operand) {
    if (operand->pooled) give_back_stand_in(std::move(operand->stand_in));
  }
}

void HostCall::see(c10::Device device) {
  if (device_ < 0) {
    device_ = device.index();
    const auto& facts = device_facts(device_);
    if (facts.asynchronous && facts.host_access) check(fl_stream_synchronize(current_stream(device_)));
    return;
  }
  TORCH_CHECK(device_ == device.index(),
              "Expected all tensors to be on the same device, but found at least two devices, flagos:",
              static_cast<int>(device_), " and flagos:", static_cast<int>(device.index()),
              "! (when checking argument for ", name_, ")");
}

c10::Device HostCall::enter(c10::Device device) {
  if (device.type() != kFlagos) return device;
  see({kFlagos, resolve_device(device.index())});
  return c10::kCPU;
}

at::Tensor HostCall::enter(at::Tensor tensor, bool written) {
  if (!tensor.defined() || tensor.device().type() != kFlagos) return tensor;
  for (auto& operand : tensors_) {
    if (!operand.original.is_same(tensor)) continue;
    if (written && !operand.written) {
      operand.written = true;
      for (auto& memory : memories_) memory.written |= memory.original == tensor.storage().unsafeGetStorageImpl();
    }
    return operand.stand_in;
  }
  see(tensor.device());
  TORCH_CHECK_NOT_IMPLEMENTED(tensor.layout() == c10::kStrided, name_, ": flagos supports strided tensors, not ",
                              tensor.layout(), "; move the tensor to cpu, or make it dense with .to_dense()");
  bool pooled = false;
  auto stand_in = device_facts(device_).host_access ? over_same_memory(tensor, written, pooled) : over_copy(tensor);
  for (auto& memory : memories_)
    memory.written |= written && memory.original == tensor.storage().unsafeGetStorageImpl();
  tensors_.push_back({std::move(tensor), stand_in, written, pooled});
  return stand_in;
}

at::Tensor HostCall::over_same_memory(const at::Tensor& tensor, bool written, bool& pooled) {
  auto* storage = tensor.storage().unsafeGetStorageImpl();
  for (const auto& memory : memories_) {
    if (memory.original != storage) continue;
    if (written) storage->mutable_data();
    auto shared = at::detail::make_tensor<c10::TensorImpl>(
        c10::Storage(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(memory.stand_in)),
        keys_of(c10::DispatchKey::CPU, tensor), tensor.dtype());
    auto* impl = shared.unsafeGetTensorImpl();
    impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
    copy_bits(impl, tensor);
    return shared;
  }
  void* data = tensor._is_zerotensor() ? nullptr : data_of(storage, written);
  at::Tensor stand_in;
  if (C10_LIKELY(!tensor._is_zerotensor())) {
    stand_in = take_stand_in(tensor.dtype());
    pooled = true;
    auto* over = stand_in.storage().unsafeGetStorageImpl();
    over->set_data_ptr_noswap(c10::DataPtr(data, c10::kCPU));
    over->set_nbytes(storage->nbytes());
    over->set_allocator(host_labelled_allocator(device_));
    over->set_resizable(storage->resizable());
  } else {
    auto over = c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), storage->nbytes(),
                                                      c10::DataPtr(data, c10::kCPU), host_labelled_allocator(device_),
                                                      storage->resizable());
    stand_in = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(std::move(over)),
                                                        keys_of(c10::DispatchKey::CPU, tensor), tensor.dtype());
  }
  auto* impl = stand_in.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  copy_bits(impl, tensor);
  memories_.push_back({storage, stand_in.storage().unsafeGetStorageImpl(), data, written});
  return stand_in;
}

at::Tensor HostCall::over_copy(const at::Tensor& tensor) {
  auto* storage = tensor.storage().unsafeGetStorageImpl();
  c10::intrusive_ptr<c10::StorageImpl> over;
  for (const auto& memory : memories_) {
    if (memory.original == storage) over = c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(memory.stand_in);
  }
  if (!over) {
    const auto nbytes = tensor._is_zerotensor() ? 0 : storage->nbytes();
    auto* host = c10::GetAllocator(c10::kCPU);
    over = c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), nbytes, host->allocate(nbytes),
                                                 host, storage->resizable());
    if (nbytes > 0) download(device_, over->mutable_data(), storage->data(), nbytes);
    memories_.push_back({storage, over.get(), nbytes > 0 ? over->mutable_data() : nullptr, false});
  }
  auto stand_in = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(std::move(over)),
                                                           keys_of(c10::DispatchKey::CPU, tensor), tensor.dtype());
  auto* impl = stand_in.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  copy_bits(impl, tensor);
  return stand_in;
}

void HostCall::finish() {
  const bool in_place = device_ >= 0 && device_facts(device_).host_access;
  for (auto& memory : memories_) {
    auto* over = memory.stand_in;
    const auto nbytes = over->nbytes();
    const bool moved = over->data() != memory.data;
    if (in_place) {
      if (moved) {  // resized in the kernel, by our own allocator with the label "cpu"
        auto data = over->set_data_ptr(c10::DataPtr(nullptr, c10::kCPU));
        data.unsafe_set_device(memory.original->device());
        memory.original->set_data_ptr_noswap(std::move(data));
      }
    } else if (memory.written || moved || nbytes != memory.original->nbytes()) {
      if (nbytes != memory.original->nbytes()) memory.original->set_data_ptr_noswap(allocate_on(device_, nbytes));
      if (nbytes > 0) upload(device_, memory.original->mutable_data(), over->data(), nbytes);
    }
    if (nbytes != memory.original->nbytes()) memory.original->set_nbytes(nbytes);
  }
  for (auto& operand : tensors_) {
    if (!operand.written) continue;
    auto* to = operand.original.unsafeGetTensorImpl();
    const auto* from = operand.stand_in.unsafeGetTensorImpl();
    if (to->sizes() != from->sizes() || to->strides() != from->strides() ||
        to->storage_offset() != from->storage_offset()) {
      to->set_sizes_and_strides(from->sizes(), from->strides(), from->storage_offset());
    }
    if (to->is_conj() != from->is_conj()) to->_set_conj(from->is_conj());
    if (to->is_neg() != from->is_neg()) to->_set_neg(from->is_neg());
  }
}

at::Tensor HostCall::make(c10::Storage storage, const at::Tensor& like) {
  auto made = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), keys_of(c10::DispatchKey::PrivateUse1, like),
                                                       like.dtype());
  auto* impl = made.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  copy_bits(impl, like);
  return made;
}

// A device storage with the contents of a CPU result's storage. With host access the CPU memory itself is taken over.
c10::Storage HostCall::adopt(const at::Tensor& result) {
  auto* from = result.storage().unsafeGetStorageImpl();
  const auto device = this->device();
  const auto nbytes = result._is_zerotensor() ? 0 : from->nbytes();
  c10::DataPtr data(nullptr, c10::Device(kFlagos, device));
  if (device_facts(device).host_access) {
    if (block_of(from->data_ptr()) != nullptr && result.storage().use_count() == 1) {  // our memory, labelled "cpu"
      data = from->set_data_ptr(c10::DataPtr(nullptr, c10::kCPU));
      data.unsafe_set_device(c10::Device(kFlagos, device));
    } else if (nbytes > 0) {
      auto* owner = new c10::Storage(result.storage());
      data = {from->mutable_data(), owner, [](void* context) { delete static_cast<c10::Storage*>(context); },
              c10::Device(kFlagos, device)};
    }
  } else if (nbytes > 0) {
    data = allocate_on(device, nbytes);
    upload(device, data.get(), from->data(), nbytes);
  }
  return {c10::Storage::use_byte_size_t(), nbytes, std::move(data), device_allocator(device), /*resizable=*/true};
}

at::Tensor HostCall::leave(const at::Tensor& result) {
  if (!result.defined() || result.device().type() == kFlagos) return result;
  for (const auto& operand : tensors_) {
    if (operand.stand_in.is_same(result)) return operand.original;
  }
  TORCH_CHECK_NOT_IMPLEMENTED(result.layout() == c10::kStrided && !result.is_quantized(), name_,
                              ": flagos supports plain strided tensors, the result would be ", result.layout(),
                              result.is_quantized() ? " and quantized" : "", "; compute it on cpu");
  auto* storage = result.storage().unsafeGetStorageImpl();
  for (const auto& memory : memories_) {
    if (memory.stand_in == storage) {
      return make(c10::Storage(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(memory.original)), result);
    }
  }
  for (const auto& known : adopted_) {
    if (known.from == storage) return make(known.to, result);
  }
  auto adopted = adopt(result);
  adopted_.push_back({storage, adopted});
  return make(std::move(adopted), result);
}

at::Tensor host_view(const at::Tensor& tensor) {
  TORCH_CHECK_VALUE(tensor.device().type() == kFlagos, "flagos: host_view takes a flagos tensor, got one on ",
                    tensor.device());
  const auto device = tensor.device().index();
  TORCH_CHECK_NOT_IMPLEMENTED(device_facts(device).host_access,
                              "flagos: the host cannot read the memory of flagos:", static_cast<int>(device),
                              " (driver ", device_facts(device).driver_name, "); use .cpu()");
  check(fl_stream_synchronize(current_stream(device)));
  auto* storage = tensor.storage().unsafeGetStorageImpl();
  auto* owner = new c10::Storage(tensor.storage());
  c10::Storage over(
      c10::Storage::use_byte_size_t(), storage->nbytes(),
      c10::DataPtr(
          storage->mutable_data(), owner, [](void* context) { delete static_cast<c10::Storage*>(context); }, c10::kCPU),
      /*allocator=*/nullptr, /*resizable=*/false);
  auto view = at::detail::make_tensor<c10::TensorImpl>(std::move(over), c10::DispatchKeySet(c10::DispatchKey::CPU),
                                                       tensor.dtype());
  auto* impl = view.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  copy_bits(impl, tensor);
  return view;
}

namespace {
void copy_host(c10::DeviceIndex device, const fl_copy_side& to, const fl_copy_side& from, size_t nbytes) {
  check(fl_copy(&to, &from, nbytes, 0));
  fl_ledger_add_copied(nbytes);
}
}  // namespace

void download(c10::DeviceIndex device, void* to, const void* from, size_t nbytes) {
  copy_host(device, {reinterpret_cast<uint64_t>(to), FL_HOST, nullptr},
            {reinterpret_cast<uint64_t>(from), device, current_stream(device)}, nbytes);
}

void upload(c10::DeviceIndex device, void* to, const void* from, size_t nbytes) {
  copy_host(device, {reinterpret_cast<uint64_t>(to), device, current_stream(device)},
            {reinterpret_cast<uint64_t>(from), FL_HOST, nullptr}, nbytes);
}

}  // namespace flagos
