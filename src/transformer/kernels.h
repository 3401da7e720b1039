// The tables of kernels that each code path fills in, and which of them this CPU gets.
//
// A kernel works on the calling thread, on a piece of a call whose arguments have been checked (norm.cc, rotary.cc,
// attention.cc, int8_linear.cc).
#ifndef FLAGOS_TRANSFORMER_KERNELS_H_
#define FLAGOS_TRANSFORMER_KERNELS_H_

#include "flagos/transformer.h"

namespace fl::transformer {

// Attention over one head of one segment: K and V packed for all query blocks, then blocks of queries against them.
// Note [Packed panels]
//  A panel has `width` columns. Its row k holds, for each column, `depth` neighbouring values of the summed dimension:
//  1 in fp32, 2 in bf16 (what one instruction multiplies and adds), 4 in int8. So a step of the inner loop loads whole
//  vectors and broadcasts `depth` values of the other operand. In bf16 the second value of a pair comes first, in both
//  operands: the instruction adds the product of the later half first, so that a sum runs in the order of its terms.
struct HeadSpan {
  const void *q, *k, *v;  // first row of the segment and head
  void* out;
  float* lse;
  const float* mask;  // of the segment and head
  int64_t queries, keys;
};
struct AttentionKernel {
  bool (*serves)(fl_dtype dtype);
  size_t (*packed_bytes)(const fl_attention_args& args, int64_t keys);  // of K and V of one head
  void (*pack)(const fl_attention_args& args, const HeadSpan& span, void* packed);
  int64_t block;  // queries a call of run
  // Queries [first, first + block) of the span.
  void (*run)(const fl_attention_args& args, const HeadSpan& span, const void* packed, int64_t first);
};

// y = x . weight^T in int8, for 64 rows of x (a panel) and kInt8WeightRows of the weight at a time; int8_kernel.h.
constexpr int64_t kInt8PanelRows = 64;
constexpr int64_t kInt8WeightRows = 192;  // with a chunk of inputs they stay in the second cache
// Inputs are padded with zeros to whole rows of tiles.
constexpr int64_t int8_panel_bytes(int64_t inputs) { return (inputs + 63) / 64 * 64 * kInt8PanelRows; }
struct Int8Kernel {
  // Rows [64 * panel, ...) of x: `to` is [inputs / 4][64][4], `scales` and `sums` (of xq) have a value a row.
  void (*quantise)(const fl_int8_linear_args& args, int64_t panel, int8_t* to, float* scales, int32_t* sums);
  // y for the rows of a panel and the outputs [first, first + kInt8WeightRows).
  void (*multiply)(const fl_int8_linear_args& args, int64_t panel, const int8_t* packed, const float* scales,
                   const int32_t* sums, int64_t first);
};

struct Kernels {
  const char* name;
  void (*rms_norm)(const fl_norm_args& args, int64_t first, int64_t last);
  void (*layer_norm)(const fl_norm_args& args, int64_t first, int64_t last);
  void (*rotary)(const fl_rotary_args& args, int64_t first, int64_t last);  // of sizes[0] * sizes[1]
  AttentionKernel attention;
};

extern const Kernels kGenericKernels;
#if defined(__x86_64__)
extern const Kernels kV3Kernels, kV4Kernels, kBf16Kernels;
extern const AttentionKernel kBf16Attention, kTileAttention;
extern const Int8Kernel kVnniInt8, kTileInt8;
#endif

// The best table for this CPU, chosen once; ends with nullptr: every table that it can run, best first.
const Kernels& kernels();
const Kernels* const* runnable_kernels();
const AttentionKernel& attention_kernel(fl_dtype dtype);
const Int8Kernel* int8_kernel();  // nullptr: this CPU has none

}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_KERNELS_H_
