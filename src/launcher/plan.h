// Where in the (nested) arguments of a Triton call each value of the kernel lies, and how it is packed. Made once a
// signature.
#ifndef FLAGOS_LAUNCHER_PLAN_H_
#define FLAGOS_LAUNCHER_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/python.h"
#include "launcher/scalars.h"

namespace fl::launcher {

struct Leaf {
  std::vector<Py_ssize_t> path;  // into the call's arguments: one index, and one more for each tuple around the value
  Kind kind = Kind::kAddress;
  std::string name;  // for errors: "x", "pointers[1]"
};

// From a tuple of (path, type, name), as launcher.py makes them. ValueError for a type that is not known.
std::vector<Leaf> plan_of(PyObject* leaves);

// The value that the path leads to, borrowed from the arguments, or an owned one when it lies in something other than a
// tuple, kept in *owner. `first` is where the kernel's arguments begin in `arguments`.
PyObject* pick(const Leaf& leaf, PyObject* arguments, Py_ssize_t first, Ref* owner);

}  // namespace fl::launcher

#endif  // FLAGOS_LAUNCHER_PLAN_H_
