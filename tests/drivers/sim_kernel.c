/* A kernel for the simulated accelerator: every address has the distance added before it is followed, here from an
 * argument, by the compiler as a constant. args: address out, u64 distance, u32 addend; out[id] += addend + id. */
#include <stdint.h>

void add_program_id(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void* scratch) {
  const uint64_t distance = *(const uint64_t*)args[1];
  uint32_t* out = (uint32_t*)(*(const uint64_t*)args[0] + distance);
  const uint32_t addend = *(const uint32_t*)args[2];
  (void)grid;
  (void)scratch;
  for (uint64_t id = first; id < last; ++id) out[id] += addend + (uint32_t)id;
}
