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
//  vectors and broadcasts `depth` values of the other operand.
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
extern const AttentionKernel kBf16Attention;
#endif

// The best table for this CPU, chosen once; ends with nullptr: every table that it can run, best first.
const Kernels& kernels();
const Kernels* const* runnable_kernels();
const AttentionKernel& attention_kernel(fl_dtype dtype);

struct CpuFeatures {
  bool v3 = false, v4 = false, avx512_bf16 = false, avx512_vnni = false, amx_bf16 = false, amx_int8 = false;
};
const CpuFeatures& cpu_features();

}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_KERNELS_H_
