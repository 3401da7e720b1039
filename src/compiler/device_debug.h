// What tl.device_print and tl.device_assert do when a kernel runs: functions that compiled kernels call.
#ifndef FLAGOS_COMPILER_DEVICE_DEBUG_H_
#define FLAGOS_COMPILER_DEVICE_DEBUG_H_

#include <cstdint>

namespace fl::compiler {

// How the elements of a printed block lie in memory and are to be read.
enum class PrintKind : int32_t { kUnsigned, kSigned, kPointer, kF8E4M3, kF8E5M2, kF16, kBF16, kF32, kF64 };

// The address of a function by the name that kernels know it by, 0 for others:
//   void fl_device_print(prefix, data, count, kind, bytes of an element, x, y, z of the program)
//   i32 fl_device_assert(message, data, count, x, y, z): 1 when one of the `count` bytes is 0
// Both any thread.
uint64_t device_function(const char* name);

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_DEVICE_DEBUG_H_
