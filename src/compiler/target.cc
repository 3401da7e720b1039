#include "compiler/target.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>

#include "base/env.h"
#include "base/error.h"

namespace fl::compiler {
namespace {

bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

// AMX is there when the CPU has it and the kernel lets this process use the tile state, which is asked for here, once a
// process: threads that exist and children that are forked have it too.
bool has_amx() {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  constexpr unsigned int kTilesBf16Int8 = (1u << 22) | (1u << 24) | (1u << 25);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTilesBf16Int8) != kTilesBf16Int8) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

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
  } else if (name == "sapphirerapids") {
    target = with_avx512("x86-64-v4", "+avx512vnni,+amx-tile,+amx-bf16,+amx-int8");
    target.avx512_vnni = target.amx_bf16 = target.amx_int8 = true;
  } else {
    fail(FL_INVALID_ARGUMENT, "'%s' is not a target; use x86-64-v3, x86-64-v4, znver4 or sapphirerapids.",
         name.c_str());
  }
  return target;
}

Target host_target() {
  const char* wanted = env::text("FLAGOS_CPU_TARGET");
  const std::string_view name = wanted == nullptr ? "" : wanted;
  if (!has_v3()) fail(FL_UNSUPPORTED, "Kernels need a CPU with AVX2 and FMA (x86-64-v3), which this one lacks.");
  if (name == "x86-64-v4" && !has_v4()) {
    fail(FL_UNSUPPORTED,
         "FLAGOS_CPU_TARGET=x86-64-v4 asks for AVX-512, which this CPU lacks; use x86-64-v3 or unset it.");
  }
  if (!name.empty() && name != "x86-64-v3" && name != "x86-64-v4") {
    fail(FL_INVALID_ARGUMENT, "FLAGOS_CPU_TARGET=%s is not a known target; use x86-64-v3 or x86-64-v4.", wanted);
  }
  if (!has_v4() || name == "x86-64-v3") return named_target("x86-64-v3");
  if (!name.empty()) return named_target("x86-64-v4");
  Target target = named_target("x86-64-v4");
  auto add = [&target](bool has, const char* features) {
    if (has) target.features += std::string(target.features.empty() ? "" : ",") + features;
    return has;
  };
  target.avx512_vnni = add(__builtin_cpu_supports("avx512vnni"), "+avx512vnni");
  // Intel's vdpbf16ps is no faster than widening to f32 (measured: 0.6x); Zen 4's does twice the work of its fma.
  target.bf16_pairs = add(__builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd"), "+avx512bf16");
  target.amx_bf16 = target.amx_int8 = add(has_amx(), "+amx-tile,+amx-bf16,+amx-int8");
  return target;
}

}  // namespace fl::compiler
