// Tries a driver library in a child process first, so that one which crashes when it is loaded costs a report row and
// not the user's process.
//
// Only a death of the child is a verdict. A library that loads there but answers with an error is judged by the parent
// itself: a vendor's library may well refuse to work in a forked child and be fine in its parent.
#ifndef FLAGOS_RUNTIME_PROBE_H_
#define FLAGOS_RUNTIME_PROBE_H_

#include <string>

#include "flagos/hal.h"

namespace fl::runtime {

// Loads the library and calls its entry in a child. "" when the child lived through it, else what happened:
// "crashed while it was loaded (signal 11, Segmentation fault)". Blocks for as long as the load takes, at most
// `seconds`. Where no child can be made, the answer is "": the load is then tried without a net.
std::string probe_driver_library(const std::string& path, const fl_driver_host* host, int seconds = 30);

}  // namespace fl::runtime

#endif  // FLAGOS_RUNTIME_PROBE_H_
