// The Python module _flagos_launcher: its two types and their configuration. flagos.triton.launcher is its one user.
#include "launcher/kernel.h"
#include "launcher/launcher.h"

namespace fl::launcher {
namespace {

// configure(kernel_error, locate, stream_of, hook_chain): once a process, before the first launcher.
PyObject* configure(PyObject* module, PyObject* given) {
  return for_python([&]() -> PyObject* {
    PyObject* error = nullptr;
    PyObject* locate = nullptr;
    PyObject* stream_of = nullptr;
    PyObject* hook_chain = nullptr;
    if (!PyArg_ParseTuple(given, "OOOO:configure", &error, &locate, &stream_of, &hook_chain)) throw Raised();
    if (shared() == nullptr) {
      Ref type = Ref::take(PyObject_GetAttrString(module, "Kernel"));
      Ref calls = Ref::take(PyUnicode_InternFromString("calls"));
      shared() = new Shared{std::move(type),        Ref::share(error), Ref::share(stream_of),
                            Ref::share(hook_chain), std::move(calls),  TensorReader(Ref::share(locate))};
    }
    Py_INCREF(Py_None);
    return Py_None;
  });
}

// learn((tensor, parameter), address of fl_tensor_memory) -> bool: see TensorReader::learn.
PyObject* learn(PyObject*, PyObject* given) {
  return for_python([&]() -> PyObject* {
    PyObject* samples = nullptr;
    unsigned long long function = 0;
    if (!PyArg_ParseTuple(given, "O!K:learn", &PyTuple_Type, &samples, &function)) throw Raised();
    if (shared() == nullptr) raise(PyExc_RuntimeError, "the launcher was not configured");
    return PyBool_FromLong(shared()->tensors.learn(samples, reinterpret_cast<MemoryFunction>(function)));
  });
}

bool add_type(PyObject* module, const char* name, PyObject* (*make)()) {
  PyObject* const type = for_python(make);
  if (type == nullptr) return false;
  if (PyModule_AddObject(module, name, type) == 0) return true;  // steals the reference
  Py_DECREF(type);
  return false;
}

}  // namespace
}  // namespace fl::launcher

PyMODINIT_FUNC PyInit__flagos_launcher() {
  static PyMethodDef functions[] = {
      {"configure", fl::launcher::configure, METH_VARARGS, "configure(kernel_error, locate, stream_of, hook_chain)"},
      {"learn", fl::launcher::learn, METH_VARARGS, "learn((tensor, parameter), address) -> bool"},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                   "_flagos_launcher",
                                   "Launches Triton kernels.",
                                   -1,
                                   functions,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr};
  PyObject* const module = PyModule_Create(&definition);
  if (module == nullptr) return nullptr;
  if (!fl::launcher::add_type(module, "Kernel", fl::launcher::make_kernel_type) ||
      !fl::launcher::add_type(module, "Launcher", fl::launcher::make_launcher_type)) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
