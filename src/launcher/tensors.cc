#include "launcher/tensors.h"

namespace fl::launcher {
namespace {

uint64_t address_in(PyObject* number, const char* name) {
  const unsigned long long address = PyLong_AsUnsignedLongLong(number);
  if (address == static_cast<unsigned long long>(-1) && PyErr_Occurred()) {
    PyErr_Clear();
    raise(PyExc_OverflowError, "the kernel's argument '%s': %R is not an address", name, number);
  }
  return address;
}

// The Python object of a tensor begins with Python's header, and PyTorch's pointer follows (THPVariable). `learn`
// compares it with what the tensor itself says.
const void* tensor_in(PyObject* object) {
  return *reinterpret_cast<const void* const*>(reinterpret_cast<const char*>(object) + sizeof(PyObject));
}

}  // namespace

bool TensorReader::learn(PyObject* samples, MemoryFunction function) {
  PyTypeObject* types[2];
  for (Py_ssize_t i = 0; i < 2; ++i) {
    PyObject* const sample = PyTuple_GetItem(samples, i);
    if (sample == nullptr) throw Raised();
    const Ref said = Ref::take(PyObject_GetAttrString(sample, "_cdata"));
    if (PyLong_AsVoidPtr(said.get()) != tensor_in(sample)) {
      if (PyErr_Occurred()) throw Raised();
      return false;
    }
    types[i] = Py_TYPE(sample);
  }
  for (int i = 0; i < 2; ++i) {
    Py_INCREF(reinterpret_cast<PyObject*>(types[i]));  // for good, as is the reader
    types_[i] = types[i];
  }
  function_ = function;
  return true;
}

Memory TensorReader::read(PyObject* value, const char* name) const {
  PyTypeObject* const type = Py_TYPE(value);
  if (type == types_[0] || type == types_[1]) [[likely]] {
    Memory memory;
    memory.device = function_(tensor_in(value), &memory.address);
    if (memory.device != kAskPython) [[likely]]
      return memory;
  }
  return read_attributes(value, name);
}

Memory TensorReader::read_attributes(PyObject* value, const char* name) const {
  if (value == Py_None) return {};
  if (PyLong_Check(value)) return {address_in(value, name), kAnyDevice};
  PyObject* const method = PyObject_GetAttrString(value, "data_ptr");
  if (method == nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw Raised();
    PyErr_Clear();
    raise(PyExc_TypeError, "the kernel's argument '%s' wants a tensor, an object with a data_ptr() or None, not %R",
          name, reinterpret_cast<PyObject*>(Py_TYPE(value)));
  }
  const Ref call = Ref::take(method);
  const Ref device = Ref::take(PyObject_CallFunctionObjArgs(locate_.get(), value, nullptr));
  const long index = PyLong_AsLong(device.get());
  if (index == -1 && PyErr_Occurred()) throw Raised();
  const Ref address = Ref::take(PyObject_CallFunctionObjArgs(call.get(), nullptr));
  return {address_in(address.get(), name), static_cast<int32_t>(index)};
}

}  // namespace fl::launcher
