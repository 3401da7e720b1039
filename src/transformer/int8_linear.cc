// The public int8 linear function: activations quantised panel by panel, then tasks of a few panels and weight rows.
#include <memory>

#include "base/parallel_for.h"
#include "transformer/arguments.h"
#include "transformer/int8_kernel.h"
#include "transformer/kernels.h"

namespace fl::transformer {
namespace {

constexpr const char* kName = "int8_linear";
// (w + 128) * xq is at most 255 * 127 = 32385 in size, so that 2^31 / 32385 = 66311 of them can be summed.
constexpr int64_t kMostInputs = 65536;

void check(const fl_int8_linear_args* args) {
  require(args != nullptr && args->struct_size == sizeof *args, kName, "args must be a filled fl_int8_linear_args");
  if (const char* absent = fl_int8_linear_absent()) fail(FL_UNSUPPORTED, "%s: %s", kName, absent);
  require_floating(kName, args->dtype);
  require(args->rows >= 0 && args->inputs >= 0 && args->outputs >= 0, kName, "sizes must not be negative");
  require(args->inputs <= kMostInputs, kName, "inputs must be at most 65536: the sums are 32 bits wide");
  if (args->rows == 0 || args->outputs == 0) return;
  require(args->x != nullptr && args->weight != nullptr && args->scale != nullptr && args->y != nullptr, kName,
          "x, weight, scale and y must not be NULL");
}

void multiply(const fl_int8_linear_args& args) {
#if defined(__x86_64__)
  const int64_t panels = (args.rows + kPanelRows - 1) / kPanelRows, bytes = panel_bytes(args.inputs);
  const auto packed = std::make_unique_for_overwrite<int8_t[]>(static_cast<size_t>(panels * bytes));
  const auto scales = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(panels * kPanelRows));
  const auto sums = std::make_unique_for_overwrite<int32_t[]>(static_cast<size_t>(panels * kPanelRows));
  parallel_for(0, panels, 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p)
      quantise_panel(args, p, packed.get() + p * bytes, scales.get() + p * kPanelRows, sums.get() + p * kPanelRows);
  });
  // Neighbouring tasks share their weight rows.
  const int64_t blocks = (args.outputs + kWeightRows - 1) / kWeightRows;
  parallel_for(0, blocks * panels, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t p = task % panels;
      multiply_panel(args, p, packed.get() + p * bytes, scales.get() + p * kPanelRows, sums.get() + p * kPanelRows,
                     task / panels * kWeightRows);
    }
  });
#else
  (void)args;
#endif
}

}  // namespace
}  // namespace fl::transformer

extern "C" {

const char* fl_int8_linear_absent(void) {
  const auto& cpu = fl::transformer::cpu_features();
  if (cpu.amx_int8) return "this CPU multiplies int8 in tiles (AMX), which PyTorch's kernel uses and ours does not";
  return cpu.avx512_vnni ? nullptr : "this CPU has no AVX-512 VNNI";
}

fl_status fl_int8_linear(const fl_int8_linear_args* args) {
  return fl::guarded([&] {
    fl::transformer::check(args);
    if (args->rows > 0 && args->outputs > 0) fl::transformer::multiply(*args);
  });
}

}  // extern "C"
