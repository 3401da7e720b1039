// The public int8 linear function: activations quantised panel by panel, then tasks of a few panels and weight rows.
#include <memory>

#include "base/parallel_for.h"
#include "transformer/arguments.h"
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

void multiply(const fl_int8_linear_args& args, const Int8Kernel& kernel) {
  const int64_t panels = (args.rows + kInt8PanelRows - 1) / kInt8PanelRows, bytes = int8_panel_bytes(args.inputs);
  const auto packed = std::make_unique_for_overwrite<int8_t[]>(static_cast<size_t>(panels * bytes));
  const auto scales = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(panels * kInt8PanelRows));
  const auto sums = std::make_unique_for_overwrite<int32_t[]>(static_cast<size_t>(panels * kInt8PanelRows));
  const auto of_panel = [&](auto&& call, int64_t p, auto... more) {
    call(args, p, packed.get() + p * bytes, scales.get() + p * kInt8PanelRows, sums.get() + p * kInt8PanelRows,
         more...);
  };
  parallel_for(0, panels, 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) of_panel(kernel.quantise, p);
  });
  // Neighbouring tasks share their weight rows.
  const int64_t blocks = (args.outputs + kInt8WeightRows - 1) / kInt8WeightRows;
  parallel_for(0, blocks * panels, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task)
      of_panel(kernel.multiply, task % panels, task / panels * kInt8WeightRows);
  });
}

}  // namespace
}  // namespace fl::transformer

extern "C" {

const char* fl_int8_linear_absent(void) {
  return fl::transformer::int8_kernel() != nullptr ? nullptr : "this CPU has neither AVX-512 VNNI nor AMX";
}

fl_status fl_int8_linear(const fl_int8_linear_args* args) {
  return fl::guarded([&] {
    fl::transformer::check(args);
    if (args->rows > 0 && args->outputs > 0) fl::transformer::multiply(*args, *fl::transformer::int8_kernel());
  });
}

}  // extern "C"
