#include "drivers/common/cpu_kernel.h"

#include <cstdlib>
#include <new>

#include "base/error.h"

namespace fl::drivers {
namespace {

struct FreeMemory {
  void operator()(void* pointer) const { std::free(pointer); }
};

struct Scratch {
  std::unique_ptr<void, FreeMemory> memory;
  uint64_t size = 0;
};

}  // namespace

uint64_t checked_program_count(const fl_launch_config* config) {
  if (!config || config->struct_size < sizeof(fl_launch_config))
    fail(FL_INVALID_ARGUMENT, "launch: the config is missing, or its struct_size is below %zu bytes.",
         sizeof(fl_launch_config));
  if (config->flags & ~uint32_t{FL_LAUNCH_ORDERED})
    fail(FL_INVALID_ARGUMENT, "launch: flags 0x%x has bits other than FL_LAUNCH_ORDERED.", config->flags);
  int64_t count = 0;
  const uint32_t* grid = config->grid;
  if (__builtin_mul_overflow(uint64_t{grid[0]} * grid[1], grid[2], &count))
    fail(FL_INVALID_ARGUMENT, "launch: a grid of %u x %u x %u programs is more than 2^63 - 1.", grid[0], grid[1],
         grid[2]);
  return static_cast<uint64_t>(count);
}

void check_kernel_args(const fl_arg* args, uint32_t arg_count) {
  if (arg_count > kMaxKernelArgs)
    fail(FL_UNSUPPORTED, "launch: %u arguments; this driver passes at most %u.", arg_count, kMaxKernelArgs);
  if (arg_count > 0 && !args) fail(FL_INVALID_ARGUMENT, "launch: %u arguments at a null pointer.", arg_count);
  for (uint32_t i = 0; i < arg_count; ++i) {
    if (args[i].kind > FL_ARG_BYTES)
      fail(FL_INVALID_ARGUMENT, "launch: argument %u has the unknown kind %u.", i, args[i].kind);
    if (!args[i].data) fail(FL_INVALID_ARGUMENT, "launch: argument %u has no data.", i);
    if (args[i].kind == FL_ARG_ADDRESS && args[i].size != sizeof(fl_addr))
      fail(FL_INVALID_ARGUMENT, "launch: argument %u is an address of %u bytes; an address has 8.", i, args[i].size);
  }
}

void* thread_scratch(uint64_t bytes) {
  thread_local Scratch scratch;
  if (bytes == 0) return nullptr;
  if (scratch.size < bytes) {
    const uint64_t size = (bytes + 63) & ~uint64_t{63};
    scratch.memory.reset();
    scratch.size = 0;
    scratch.memory.reset(std::aligned_alloc(64, size));
    if (!scratch.memory) throw std::bad_alloc();
    scratch.size = size;
  }
  return scratch.memory.get();
}

}  // namespace fl::drivers
