#include "transformer/attention_kernel.h"
#include "transformer/bf16_dot.h"
#include "transformer/float_dot.h"
#include "transformer/row_kernels.h"

namespace fl::transformer {
const Kernels kBf16Kernels{"x86-64-v4+bf16", &rms_norm, &layer_norm, &rotary, Attention<FloatDot>::table()};
const AttentionKernel kBf16Attention = Attention<Bf16Dot>::table();
}  // namespace fl::transformer
