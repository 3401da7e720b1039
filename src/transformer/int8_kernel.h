// The int8 product for CPUs with AVX-512 VNNI. Weights are read as they lie; activations are quantised into panels.
//
// Note [Which side is packed]
//  vpdpbusd multiplies four unsigned bytes by four signed ones in each lane. The lanes are 64 rows of x (tokens), whose
//  panel the quantisation writes anyway; what is broadcast is four bytes of a weight row, which lie next to each other
//  in the checkpoint's layout. So no weight is ever packed, and a block that was just copied into a buffer costs
//  nothing more. The weight is made unsigned by flipping its sign bit, that is w + 128; the sum is then too large by
//  128 * (sum of the row of xq), which the quantisation knows.
#ifndef FLAGOS_TRANSFORMER_INT8_KERNEL_H_
#define FLAGOS_TRANSFORMER_INT8_KERNEL_H_

#include "flagos/transformer.h"

namespace fl::transformer {

constexpr int64_t kPanelRows = 64;    // of x
constexpr int64_t kWeightRows = 192;  // a task's; with a chunk of inputs they stay in the second cache

// Bytes of a panel.
constexpr int64_t panel_bytes(int64_t inputs) { return (inputs + 3) / 4 * 4 * kPanelRows; }

// Rows [64 * panel, ...) of x, quantised: `to` is [inputs / 4][64][4], `scales` and `sums` have a value a row.
void quantise_panel(const fl_int8_linear_args& args, int64_t panel, int8_t* to, float* scales, int32_t* sums);

// y for the rows of a panel and the outputs [first, first + kWeightRows).
void multiply_panel(const fl_int8_linear_args& args, int64_t panel, const int8_t* packed, const float* scales,
                    const int32_t* sums, int64_t first);

}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_INT8_KERNEL_H_
