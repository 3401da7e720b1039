#include "compiler/target.h"

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

}  // namespace

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
  Target target;
  target.avx512 = has_v4() && name != "x86-64-v3";
  if (!target.avx512) {
    target.cpu = "x86-64-v3";
    return target;
  }
  target.cpu = "x86-64-v4";
  target.lanes = 16;
  if (name.empty() && __builtin_cpu_supports("avx512vnni")) target.features = "+avx512vnni";
  return target;
}

}  // namespace fl::compiler
