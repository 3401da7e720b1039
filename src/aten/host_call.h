// One call of a PyTorch CPU kernel on behalf of flagos tensors: stand-ins go in, results come back as flagos tensors.
//
// Note [Stand-ins]
// A stand-in is a CPU tensor with the metadata of a flagos tensor. On a device with host access it lies over the same
// memory; elsewhere over a host copy of the whole storage, which goes back to the device when the operator wrote it.
//  - One stand-in storage per storage and call, so that overlapping operands still overlap and PyTorch's own checks
//  work.
//  - The same tensor twice is the same stand-in, so `x.add_() is x` holds for results.
//  - The user's TensorImpl is never changed to impersonate another device: views, other threads and autograd see it.
//  - A resize inside the kernel (`out=`) lands in the device's pool and is carried back by finish().
//  - A result that lies in a stand-in's storage becomes a tensor on the original storage: a view stays a view.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "aten/current.h"

namespace flagos {

class HostCall {
 public:
  // `name` is for errors and must outlive the call. `device` -1: that of the first flagos tensor, else the current one.
  explicit HostCall(const char* name, c10::DeviceIndex device = -1) : name_(name), device_(device) {}
  HostCall(const HostCall&) = delete;
  HostCall& operator=(const HostCall&) = delete;
  ~HostCall();

  // The stand-in of a flagos tensor; any other tensor is returned as it is. Throws when the tensor lives on another
  // flagos device than those before it, or has a layout other than strided.
  // The call holds the tensor: a boxed argument that is replaced by its stand-in may have been its last reference.
  at::Tensor enter(at::Tensor tensor, bool written);
  // Notes a Device argument; returns the device that the CPU kernel is to see.
  c10::Device enter(c10::Device device);

  // Carries sizes, storages and bits of written operands back. Call it before leave() when the kernel may have resized.
  void finish();
  // The flagos tensor of a result.
  at::Tensor leave(const at::Tensor& result);

  bool has_flagos() const { return !tensors_.empty() || device_ >= 0; }
  c10::DeviceIndex device() const { return device_ >= 0 ? device_ : resolve_device(-1); }

 private:
  struct Memory {
    c10::StorageImpl* original;  // both are kept alive by the operands
    c10::StorageImpl* stand_in;
    void* data;
    bool written;
  };
  struct Operand {
    at::Tensor original;
    at::Tensor stand_in;
    bool written;
    bool pooled;  // stand_in goes back to the thread's spare ones
  };
  struct Adopted {
    c10::StorageImpl* from;
    c10::Storage to;
  };

  void see(c10::Device device);
  at::Tensor over_same_memory(const at::Tensor& tensor, bool written, bool& pooled);
  at::Tensor over_copy(const at::Tensor& tensor);
  c10::Storage adopt(const at::Tensor& result);
  at::Tensor make(c10::Storage storage, const at::Tensor& like);

  const char* name_;
  c10::DeviceIndex device_;
  c10::SmallVector<Memory, 4> memories_;
  c10::SmallVector<Operand, 4> tensors_;
  c10::SmallVector<Adopted, 1> adopted_;
};

// A CPU tensor over the memory of a flagos tensor, which it keeps alive. Waits for the device. Throws
// NotImplementedError on a device without host access.
at::Tensor host_view(const at::Tensor& tensor);

// Copies between device memory and host memory, in order of the current stream and finished at return; counted in the
// ledger.
void download(c10::DeviceIndex device, void* to, const void* from, size_t nbytes);
void upload(c10::DeviceIndex device, void* to, const void* from, size_t nbytes);

}  // namespace flagos
