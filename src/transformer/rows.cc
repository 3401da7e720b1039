// The public functions that work a row at a time: RMS norm, layer norm, rotary embedding.
#include "base/parallel_for.h"
#include "transformer/arguments.h"
#include "transformer/kernels.h"

namespace fl::transformer {
namespace {

using NormKernel = void (*)(const fl_norm_args&, int64_t, int64_t);

void norm(const char* name, const fl_norm_args* args, NormKernel kernel) {
  require(args != nullptr && args->struct_size == sizeof *args, name, "args must be a filled fl_norm_args");
  require_floating(name, args->x_dtype);
  require_floating(name, args->out_dtype);
  require(args->rows >= 0 && args->width >= 0, name, "rows and width must not be negative");
  if (args->rows == 0 || args->width == 0) return;
  require(args->x != nullptr && args->out != nullptr, name, "x and out must not be NULL");
  parallel_for(0, args->rows, grain(args->width), [&](int64_t first, int64_t last) { kernel(*args, first, last); });
}

void rotary(const fl_rotary_args* args) {
  constexpr const char* kName = "rotary";
  require(args != nullptr && args->struct_size == sizeof *args, kName, "args must be a filled fl_rotary_args");
  require_floating(kName, args->dtype);
  const auto [n0, n1, n2] = args->sizes;
  require(n0 >= 0 && n1 >= 0 && n2 >= 0 && args->width >= 0 && args->width % 2 == 0, kName,
          "sizes must not be negative, width must be even");
  require(args->table_width == args->width || args->table_width * 2 == args->width, kName,
          "table_width must be width or half of it");
  if (n0 * n1 * n2 == 0 || args->width == 0) return;
  require(args->x != nullptr && args->out != nullptr && args->cos != nullptr && args->sin != nullptr, kName,
          "x, out, cos and sin must not be NULL");
  parallel_for(0, n0 * n1, grain(n2 * args->width),
               [&](int64_t first, int64_t last) { kernels().rotary(*args, first, last); });
}

}  // namespace
}  // namespace fl::transformer

extern "C" {

fl_status fl_rms_norm(const fl_norm_args* args) {
  return fl::guarded([&] { fl::transformer::norm("rms_norm", args, fl::transformer::kernels().rms_norm); });
}

fl_status fl_layer_norm(const fl_norm_args* args) {
  return fl::guarded([&] { fl::transformer::norm("layer_norm", args, fl::transformer::kernels().layer_norm); });
}

fl_status fl_rotary(const fl_rotary_args* args) {
  return fl::guarded([&] { fl::transformer::rotary(args); });
}

}  // extern "C"
