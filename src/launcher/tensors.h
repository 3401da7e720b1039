// Where the memory of a pointer argument lies: a tensor of PyTorch's, an object with a data_ptr(), an address, or None.
//
// PyTorch's C++ is not known here. For tensors themselves (torch.Tensor and torch.nn.Parameter, not subclasses) a
// function of libtorch_fl looks into PyTorch's own object; everything else goes through Python's attributes.
#ifndef FLAGOS_LAUNCHER_TENSORS_H_
#define FLAGOS_LAUNCHER_TENSORS_H_

#include <cstdint>

#include "launcher/python.h"

namespace fl::launcher {

constexpr int32_t kAnyDevice = -2;   // None and plain addresses: wherever the others are
constexpr int32_t kHostMemory = -1;  // any memory that this process reaches
constexpr int32_t kAskPython = -3;   // a MemoryFunction's answer for what it does not serve

struct Memory {
  uint64_t address = 0;
  int32_t device = kAnyDevice;  // or kHostMemory, or a flagos device that is not the host
};

// fl_tensor_memory of libtorch_fl (aten/tensor_memory.cc).
using MemoryFunction = int32_t (*)(const void* tensor, uint64_t* address);

class TensorReader {
 public:
  // locate(object) -> int: the `device` of Memory for an object that has a data_ptr(); it raises for a device without a
  // target.
  explicit TensorReader(Ref locate) : locate_(std::move(locate)) {}

  // From now on `function` is asked about objects of exactly the type of one of the samples. False, and nothing is
  // changed, when these do not hold PyTorch's object where it is looked for.
  bool learn(PyObject* samples, MemoryFunction function);

  Memory read(PyObject* value, const char* name) const;

 private:
  Memory read_attributes(PyObject* value, const char* name) const;

  Ref locate_;
  PyTypeObject* types_[2] = {};
  MemoryFunction function_ = nullptr;
};

}  // namespace fl::launcher

#endif  // FLAGOS_LAUNCHER_TENSORS_H_
