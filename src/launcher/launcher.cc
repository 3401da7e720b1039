#include "launcher/launcher.h"

#include <memory>

#include "flagos/compiler.h"
#include "flagos/runtime.h"
#include "launcher/kernel.h"
#include "launcher/plan.h"

namespace fl::launcher {
namespace {

// grid_x, grid_y, grid_z, stream, function, packed metadata, launch metadata, enter hook, exit hook; the kernel's
// parameters follow, constexprs among them.
enum { kGrid = 0, kFunction = 4, kMetadata = 6, kEnter = 7, kExit = 8, kFirst = 9 };

struct LauncherObject {
  PyObject base;
  std::vector<Leaf>* plan;
};

uint32_t grid_size(PyObject* value, int axis) {
  const Py_ssize_t size = PyNumber_AsSsize_t(value, nullptr);
  if (size == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    raise(PyExc_TypeError, "a grid is made of integers, not of %R", value);
  }
  if (size < 0 || size > UINT32_MAX) {
    raise(PyExc_ValueError, "a grid of %R programs along %c; it may have 0 to 4294967295", value,
          static_cast<int>("xyz"[axis]));
  }
  return static_cast<uint32_t>(size);
}

// Triton's own hook is an object that calls what is in its list `calls`: nothing, mostly, and then it is not worth the
// call, which costs more than the rest of a launch. Triton changes the list and never puts another in its place, so
// that an object that was seen is asked no more.
bool does_nothing(PyObject* hook, SeenHook* seen) {
  if (hook == Py_None) return true;
  if (hook != seen->hook.get()) {
    const Shared& common = *shared();
    if (reinterpret_cast<PyObject*>(Py_TYPE(hook)) != common.hook_chain.get()) return false;
    Ref calls = Ref::take(PyObject_GetAttr(hook, common.calls.get()));
    if (!PyList_Check(calls.get())) return false;
    *seen = {Ref::share(hook), std::move(calls)};
  }
  return PyList_Size(seen->calls.get()) == 0;
}

void call_hook(PyObject* hook, SeenHook* seen, PyObject* metadata) {
  if (!does_nothing(hook, seen)) Ref::take(PyObject_CallFunctionObjArgs(hook, metadata, nullptr));
}

// The values of one launch.
struct Frame {
  uint64_t values[kMaxArguments];
  fl_arg arguments[kMaxArguments];
  uint64_t ones = 0;
  int32_t device = kAnyDevice;
};

[[noreturn]] void refuse_mixture(const Leaf& leaf, int32_t device, int32_t other) {
  const auto text = [](int32_t number) {
    return number == kHostMemory ? Ref::take(PyUnicode_FromString("this host's memory"))
                                 : Ref::take(PyUnicode_FromFormat("flagos:%d", static_cast<int>(number)));
  };
  const Ref first = text(other);
  const Ref second = text(device);
  raise(PyExc_ValueError, "the kernel's argument '%s' is on %U, others are on %U; move them to one device",
        leaf.name.c_str(), second.get(), first.get());
}

void fill(const std::vector<Leaf>& plan, const Kernel& kernel, PyObject* arguments, Frame* frame) {
  const Shared& common = *shared();
  Ref owner;
  for (size_t i = 0; i < plan.size(); ++i) {
    const Leaf& leaf = plan[i];
    PyObject* const value = pick(leaf, arguments, kFirst, &owner);
    uint64_t& place = frame->values[i];
    if (leaf.kind == Kind::kAddress) {
      const Memory memory = common.tensors.read(value, leaf.name.c_str());
      place = memory.address;
      if (memory.device != frame->device && memory.device != kAnyDevice) {
        if (frame->device != kAnyDevice) refuse_mixture(leaf, memory.device, frame->device);
        frame->device = memory.device;
      }
    } else {
      pack(leaf.kind, value, leaf.name.c_str(), &place);
      if (place == 1 && i < 64 && kernel.stride_arguments() >> i & 1) frame->ones |= uint64_t{1} << i;
    }
    frame->arguments[i] = kernel.arguments()[i];
    frame->arguments[i].data = &place;
  }
  if (frame->device == kAnyDevice) frame->device = kHostMemory;
}

fl_stream* stream_of(const Variant& variant) {
  if (variant.stream != nullptr) return variant.stream;
  const Ref address =
      Ref::take(PyObject_CallFunction(shared()->stream_of.get(), "i", static_cast<int>(variant.device)));
  const unsigned long long value = PyLong_AsUnsignedLongLong(address.get());
  if (PyErr_Occurred()) throw Raised();
  return reinterpret_cast<fl_stream*>(value);
}

PyObject* launch(PyObject* self, PyObject* arguments, PyObject*) {
  return for_python([&]() -> PyObject* {
    const std::vector<Leaf>& plan = *reinterpret_cast<LauncherObject*>(self)->plan;
    if (PyTuple_Size(arguments) < kFirst)
      raise(PyExc_TypeError, "a launch has a grid, a stream, a kernel, metadata and two hooks before its arguments");
    Kernel& kernel = kernel_of(PyTuple_GetItem(arguments, kFunction), shared()->kernel_type.get());
    if (kernel.arguments().size() != plan.size()) {
      raise(PyExc_ValueError, "the kernel takes %zu values, its signature has %zu", kernel.arguments().size(),
            plan.size());
    }
    PyObject* const metadata = PyTuple_GetItem(arguments, kMetadata);
    call_hook(PyTuple_GetItem(arguments, kEnter), &shared()->enter, metadata);

    fl_launch_config config;
    config.struct_size = sizeof config;
    for (int axis = 0; axis < 3; ++axis) {
      config.grid[axis] = grid_size(PyTuple_GetItem(arguments, kGrid + axis), axis);
      config.block[axis] = 1;
    }
    Frame frame;
    fill(plan, kernel, arguments, &frame);
    const Variant variant = kernel.variant(frame.ones, frame.device);
    config.shared_bytes = variant.scratch_bytes;
    config.grain = 0;
    config.flags = variant.flags;
    fl_stream* const stream = stream_of(variant);
    fl_status status = FL_OK;
    Py_BEGIN_ALLOW_THREADS;
    status = fl_launch(variant.kernel, &config, frame.arguments, static_cast<uint32_t>(plan.size()), stream);
    Py_END_ALLOW_THREADS;
    if (status == FL_OK) status = fl_compiler_failed_assertion();
    if (status != FL_OK) raise(shared()->kernel_error.get(), "%s", fl_last_error());

    call_hook(PyTuple_GetItem(arguments, kExit), &shared()->exit, metadata);
    Py_INCREF(Py_None);
    return Py_None;
  });
}

PyObject* create(PyTypeObject* type, PyObject* given, PyObject*) {
  return for_python([&]() -> PyObject* {
    PyObject* leaves = nullptr;
    if (!PyArg_ParseTuple(given, "O!:Launcher", &PyTuple_Type, &leaves)) throw Raised();
    if (shared() == nullptr) raise(PyExc_RuntimeError, "the launcher was not configured");
    auto plan = std::make_unique<std::vector<Leaf>>(plan_of(leaves));
    if (plan->size() > kMaxArguments)
      raise(PyExc_ValueError, "a kernel of %zu arguments; the launcher passes at most %zu", plan->size(),
            kMaxArguments);
    const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
    Ref object = Ref::take(allocate(type, 0));
    reinterpret_cast<LauncherObject*>(object.get())->plan = plan.release();
    return object.release();
  });
}

void destroy(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  delete reinterpret_cast<LauncherObject*>(object)->plan;
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

}  // namespace

Shared*& shared() {
  static Shared* instance = nullptr;
  return instance;
}

PyObject* make_launcher_type() {
  PyType_Slot slots[] = {
      slot(Py_tp_new, create),
      slot(Py_tp_dealloc, destroy),
      slot(Py_tp_call, launch),
      {0, nullptr},
  };
  PyType_Spec spec = {"_flagos_launcher.Launcher", sizeof(LauncherObject), 0, Py_TPFLAGS_DEFAULT, slots};
  return Ref::take(PyType_FromSpec(&spec)).release();
}

}  // namespace fl::launcher
