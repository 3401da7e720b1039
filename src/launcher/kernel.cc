#include "launcher/kernel.h"

namespace fl::launcher {
namespace {

struct KernelObject {
  PyObject base;
  Kernel* payload;
};

std::vector<fl_arg> arguments_in(PyObject* pairs) {
  const Py_ssize_t count = PyTuple_Size(pairs);
  if (count < 0) throw Raised();
  if (static_cast<size_t>(count) > kMaxArguments)
    raise(PyExc_ValueError, "a kernel of %zd arguments; the launcher passes at most %zu", count, kMaxArguments);
  std::vector<fl_arg> arguments(static_cast<size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    fl_arg& argument = arguments[static_cast<size_t>(i)];
    PyObject* const pair = PyTuple_GetItem(pairs, i);
    if (!PyArg_ParseTuple(pair, "II", &argument.kind, &argument.size)) throw Raised();
    if (argument.size == 0 || argument.size > sizeof(uint64_t))
      raise(PyExc_ValueError, "an argument of %u bytes; the launcher passes 1 to 8", argument.size);
  }
  return arguments;
}

PyObject* create(PyTypeObject* type, PyObject* given, PyObject*) {
  return for_python([&]() -> PyObject* {
    PyObject* pairs = nullptr;
    PyObject* load = nullptr;
    unsigned long long strides = 0;
    if (!PyArg_ParseTuple(given, "O!KO:Kernel", &PyTuple_Type, &pairs, &strides, &load)) throw Raised();
    auto payload = std::make_unique<Kernel>(arguments_in(pairs), strides, Ref::share(load));
    const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
    Ref object = Ref::take(allocate(type, 0));
    reinterpret_cast<KernelObject*>(object.get())->payload = payload.release();
    return object.release();
  });
}

void destroy(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  delete reinterpret_cast<KernelObject*>(object)->payload;
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

PyObject* loaded(PyObject* object, void*) {
  return PyLong_FromSize_t(reinterpret_cast<KernelObject*>(object)->payload->loaded());
}

}  // namespace

Kernel::~Kernel() {
  for (const Variant& variant : variants_) fl_kernel_release(variant.kernel);
}

const Variant* Kernel::find(uint64_t ones, int32_t device) const {
  for (const Variant& variant : variants_)
    if (variant.ones == ones && variant.device == device) return &variant;
  return nullptr;
}

Variant Kernel::variant(uint64_t ones, int32_t device) {
  if (const Variant* const known = find(ones, device)) return *known;
  const Ref made = Ref::take(
      PyObject_CallFunction(load_.get(), "Ki", static_cast<unsigned long long>(ones), static_cast<int>(device)));
  unsigned long long kernel = 0;
  unsigned long long stream = 0;
  Variant variant{.ones = ones, .device = device};
  if (!PyArg_ParseTuple(made.get(), "KKII", &kernel, &stream, &variant.scratch_bytes, &variant.flags)) throw Raised();
  variant.kernel = reinterpret_cast<fl_kernel*>(kernel);
  variant.stream = reinterpret_cast<fl_stream*>(stream);
  // Compiling gave the interpreter's lock away: another thread may have been faster.
  if (const Variant* const known = find(ones, device)) {
    fl_kernel_release(variant.kernel);
    return *known;
  }
  variants_.push_back(variant);
  return variant;
}

PyObject* make_kernel_type() {
  static PyGetSetDef members[] = {
      {"loaded", loaded, nullptr, "How many variants are loaded.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  PyType_Slot slots[] = {
      slot(Py_tp_new, create),
      slot(Py_tp_dealloc, destroy),
      {Py_tp_getset, members},
      {0, nullptr},
  };
  PyType_Spec spec = {"_flagos_launcher.Kernel", sizeof(KernelObject), 0, Py_TPFLAGS_DEFAULT, slots};
  return Ref::take(PyType_FromSpec(&spec)).release();
}

Kernel& kernel_of(PyObject* object, PyObject* type) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(object)) != type)
    raise(PyExc_TypeError, "%R is not a kernel that this launcher loaded", object);
  return *reinterpret_cast<KernelObject*>(object)->payload;
}

}  // namespace fl::launcher
