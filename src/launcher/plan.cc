#include "launcher/plan.h"

namespace fl::launcher {

std::vector<Leaf> plan_of(PyObject* leaves) {
  std::vector<Leaf> plan;
  const Py_ssize_t count = PyTuple_Size(leaves);
  if (count < 0) throw Raised();
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* path = nullptr;
    const char* type = nullptr;
    const char* name = nullptr;
    if (!PyArg_ParseTuple(PyTuple_GetItem(leaves, i), "O!ss", &PyTuple_Type, &path, &type, &name)) throw Raised();
    Leaf leaf{.path = {}, .kind = kind_named(type), .name = name};
    for (Py_ssize_t step = 0; step < PyTuple_Size(path); ++step) {
      const Py_ssize_t index = PyLong_AsSsize_t(PyTuple_GetItem(path, step));
      if (index < 0) throw Raised();
      leaf.path.push_back(index);
    }
    if (leaf.path.empty()) raise(PyExc_ValueError, "the argument '%s' has no place in the call", name);
    plan.push_back(std::move(leaf));
  }
  return plan;
}

PyObject* pick(const Leaf& leaf, PyObject* arguments, Py_ssize_t first, Ref* owner) {
  PyObject* value = PyTuple_GetItem(arguments, first + leaf.path[0]);
  if (value == nullptr) {
    PyErr_Clear();
    raise(PyExc_TypeError, "the kernel's argument '%s' is missing in a launch of %zd", leaf.name.c_str(),
          PyTuple_Size(arguments) - first);
  }
  for (size_t step = 1; step < leaf.path.size(); ++step) {
    Ref inner = Ref::take(PySequence_GetItem(value, leaf.path[step]));
    *owner = std::move(inner);
    value = owner->get();
  }
  return value;
}

}  // namespace fl::launcher
