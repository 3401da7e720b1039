// A compiled kernel as Python holds it: its variants, each loaded when a launch first needs it.
//
// A variant is the code for one device and one set of arguments that are known to be 1 (strides, mostly): with a known
// stride rows are read in strips, without it element by element.
#ifndef FLAGOS_LAUNCHER_KERNEL_H_
#define FLAGOS_LAUNCHER_KERNEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "flagos/runtime.h"
#include "launcher/python.h"

namespace fl::launcher {

constexpr size_t kMaxArguments = 256;  // as the drivers of this machine's processor take them

struct Variant {
  uint64_t ones = 0;            // bit i: argument i is 1
  int32_t device = 0;           // kHostMemory, or a flagos device that is not the host
  fl_kernel* kernel = nullptr;  // one reference
  fl_stream* stream = nullptr;  // the host's default stream; null elsewhere, where each launch asks for the current one
  uint32_t scratch_bytes = 0;
  uint32_t flags = 0;
};

// The payload of the Python type Kernel(name, arguments, stride_arguments, load):
//   arguments         (kind, size) of each, as fl_arg has them
//   stride_arguments  bits
//   load              load(ones, device) -> (address of a fl_kernel with one reference, address of a fl_stream or 0,
//                     scratch bytes, flags)
class Kernel {
 public:
  Kernel(std::vector<fl_arg> arguments, uint64_t stride_arguments, Ref load)
      : arguments_(std::move(arguments)), stride_arguments_(stride_arguments), load_(std::move(load)) {}
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // Kinds and sizes; `data` is unset.
  const std::vector<fl_arg>& arguments() const { return arguments_; }
  uint64_t stride_arguments() const { return stride_arguments_; }
  // By value: another thread may load one meanwhile.
  Variant variant(uint64_t ones, int32_t device);
  size_t loaded() const { return variants_.size(); }

 private:
  const Variant* find(uint64_t ones, int32_t device) const;

  std::vector<fl_arg> arguments_;
  uint64_t stride_arguments_;
  Ref load_;
  std::vector<Variant> variants_;  // guarded by the interpreter's lock
};

// The Python type, made once a module; and the payload of an instance, TypeError for another object.
PyObject* make_kernel_type();
Kernel& kernel_of(PyObject* object, PyObject* type);

}  // namespace fl::launcher

#endif  // FLAGOS_LAUNCHER_KERNEL_H_
