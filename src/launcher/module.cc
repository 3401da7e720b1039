// The Python module _flagos_launcher: its two types and their configuration. flagos.triton.launcher is its one user.
#include <string>

#include "flagos/base.h"
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

// collect(address of a function(handle, fl_text_sink, context), address of its handle) -> bytes.
PyObject* collect(PyObject*, PyObject* given) {
  return for_python([&]() -> PyObject* {
    using Function = fl_status (*)(const void*, fl_text_sink, void*);
    unsigned long long function = 0;
    unsigned long long handle = 0;
    if (!PyArg_ParseTuple(given, "KK:collect", &function, &handle)) throw Raised();
    std::string bytes;
    const fl_text_sink sink = [](void* context, const char* text, size_t size) {
      static_cast<std::string*>(context)->append(text, size);
    };
    const fl_status status = reinterpret_cast<Function>(function)(reinterpret_cast<const void*>(handle), sink, &bytes);
    if (status != FL_OK) raise(PyExc_RuntimeError, "%s", fl_last_error());
    return PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size()));
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
      {"collect", fl::launcher::collect, METH_VARARGS, "collect(function, handle) -> bytes"},
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
