// Python's limited API as C++: owned references, and failures as one exception type.
//
// Inside the room a failure is `Raised`, thrown when Python's error is already set; the functions that Python calls
// turn it back into a null result. What is not in the limited API of 3.10 is not used: one binary serves every later
// Python.
#ifndef FLAGOS_LAUNCHER_PYTHON_H_
#define FLAGOS_LAUNCHER_PYTHON_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <new>
#include <utility>

namespace fl::launcher {

struct Raised {};

// Sets Python's error with a text as PyUnicode_FromFormat makes it, and throws.
template <typename... Arguments>
[[noreturn]] void raise(PyObject* type, const char* format, Arguments... arguments) {
  PyErr_Format(type, format, arguments...);
  throw Raised();
}

// A reference that is owned. `take` of a null pointer is a failure of the call that made it.
class Ref {
 public:
  Ref() = default;
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  Ref(const Ref& other) : object_(other.object_) { Py_XINCREF(object_); }
  ~Ref() { Py_XDECREF(object_); }

  static Ref take(PyObject* owned) {
    if (owned == nullptr) throw Raised();
    return Ref(owned);
  }
  static Ref share(PyObject* borrowed) {
    Py_XINCREF(borrowed);
    return Ref(borrowed);
  }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  explicit Ref(PyObject* owned) : object_(owned) {}
  PyObject* object_ = nullptr;
};

// Runs `body`, which returns a new reference, for Python.
template <typename Body>
PyObject* for_python(Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const Raised&) {
    return nullptr;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

// The function behind a slot of a type, as the type that the limited API documents for it.
template <typename Function>
PyType_Slot slot(int id, Function* function) {
  return {id, reinterpret_cast<void*>(function)};
}

}  // namespace fl::launcher

#endif  // FLAGOS_LAUNCHER_PYTHON_H_
