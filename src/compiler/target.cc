#include "compiler/target.h"

#include <string_view>

#include "base/cpu_features.h"
#include "base/env.h"
#include "base/error.h"

namespace fl::compiler {
namespace {

constexpr int kHalf = 32;  // bytes of a vector of AVX-512
constexpr int64_t kUsualCache = int64_t{32} << 20;

Target with_avx512(const char* cpu, const char* features) {
  Target target;
  target.cpu = cpu;
  target.features = features;
  target.lanes = 16;
  target.avx512 = true;
  return target;
}

}  // namespace

Target named_target(const std::string& name) {
  Target target;
  if (name == "x86-64-v3") {
    target.cpu = name;
  } else if (name == "x86-64-v4") {
    target = with_avx512("x86-64-v4", "");
  } else if (name == "znver4") {
    target = with_avx512("x86-64-v4", "+avx512vnni,+avx512bf16");
    target.avx512_vnni = target.bf16_pairs = true;
    target.stream_bytes = kHalf;
  } else if (name == "sapphirerapids") {
    target = with_avx512("x86-64-v4", "+avx512vnni,+amx-tile,+amx-bf16,+amx-int8");
    target.avx512_vnni = target.amx_bf16 = target.amx_int8 = true;
  } else {
    fail(FL_INVALID_ARGUMENT, "'%s' is not a target; use x86-64-v3, x86-64-v4, znver4 or sapphirerapids.",
         name.c_str());
  }
  target.cache_bytes = kUsualCache;
  return target;
}

Target host_target() {
  const char* wanted = env::text("FLAGOS_CPU_TARGET");
  const std::string_view name = wanted == nullptr ? "" : wanted;
  const CpuFeatures& cpu = cpu_features();
  if (!cpu.v3) fail(FL_UNSUPPORTED, "Kernels need a CPU with AVX2 and FMA (x86-64-v3), which this one lacks.");
  if (name == "x86-64-v4" && !cpu.v4) {
    fail(FL_UNSUPPORTED,
         "FLAGOS_CPU_TARGET=x86-64-v4 asks for AVX-512, which this CPU lacks; use x86-64-v3 or unset it.");
  }
  if (!name.empty() && name != "x86-64-v3" && name != "x86-64-v4") {
    fail(FL_INVALID_ARGUMENT, "FLAGOS_CPU_TARGET=%s is not a known target; use x86-64-v3 or x86-64-v4.", wanted);
  }
  const bool wide = cpu.v4 && name != "x86-64-v3";
  Target target = named_target(wide ? "x86-64-v4" : "x86-64-v3");
  target.cache_bytes = cpu.last_cache_bytes;
  if (!wide || !name.empty()) return target;
  auto add = [&target](bool has, const char* features) {
    if (has) target.features += std::string(target.features.empty() ? "" : ",") + features;
    return has;
  };
  target.avx512_vnni = add(cpu.avx512_vnni, "+avx512vnni");
  target.bf16_pairs = add(cpu.fast_bf16_pairs, "+avx512bf16");
  if (cpu.moves_halves) target.stream_bytes = kHalf;
  target.amx_bf16 = target.amx_int8 =
      add(tile_features().bf16 && tile_features().int8, "+amx-tile,+amx-bf16,+amx-int8");
  return target;
}

}  // namespace fl::compiler
