// What a CPU can do, as far as the compiler cares: the name and features that LLVM is given, and the width of a strip.
#ifndef FLAGOS_COMPILER_TARGET_H_
#define FLAGOS_COMPILER_TARGET_H_

#include <cstdint>
#include <string>

namespace fl::compiler {

struct Target {
  std::string cpu;       // LLVM's name: "x86-64-v4"
  std::string features;  // LLVM's list: "+avx512bf16,+avx512fp16"
  int lanes = 8;         // elements of a strip: 16 with AVX-512, else 8
  bool avx512 = false;
  bool avx512_fp16 = false;
  bool avx512_vnni = false;
  bool bf16_pairs = false;  // vdpbf16ps, where it is faster than widening to f32
  bool amx_bf16 = false;
  bool amx_int8 = false;
  int stream_bytes = 0;     // what memory is best moved in, Note [Streams]; 0: in whole strips
  int64_t cache_bytes = 0;  // the last cache, Note [Past the caches]; 0: nothing is stored past it
  uint64_t distance = 0;    // between an address of the device and where this processor finds it; 0 on the host
};

// A target by name, whether or not this CPU can run it: "x86-64-v3", "x86-64-v4", "znver4", "sapphirerapids". An Error
// of FL_INVALID_ARGUMENT for other names.
Target named_target(const std::string& name);

// The CPU that this process runs on, lowered to FLAGOS_CPU_TARGET when that is set ("x86-64-v3", "x86-64-v4"). An Error
// of FL_UNSUPPORTED for a CPU below x86-64-v3 or a target above what the CPU has.
Target host_target();

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_TARGET_H_
