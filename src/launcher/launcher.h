// The Python type Launcher: what Triton calls for each launch.
#ifndef FLAGOS_LAUNCHER_LAUNCHER_H_
#define FLAGOS_LAUNCHER_LAUNCHER_H_

#include "launcher/python.h"
#include "launcher/tensors.h"

namespace fl::launcher {

struct SeenHook {
  Ref hook;
  Ref calls;  // its list
};

// What all launchers of a process share, given once by Python (configure). Never destroyed.
struct Shared {
  Ref kernel_type;
  Ref kernel_error;  // the exception class of a launch that failed
  Ref stream_of;     // stream_of(device) -> address of the current fl_stream of a device that is not the host
  Ref hook_chain;    // Triton's class of hooks
  Ref calls;         // "calls", its attribute
  TensorReader tensors;
  SeenHook enter = {};  // guarded by the interpreter's lock, as `exit`
  SeenHook exit = {};
};
Shared*& shared();

PyObject* make_launcher_type();

}  // namespace fl::launcher

#endif  // FLAGOS_LAUNCHER_LAUNCHER_H_
