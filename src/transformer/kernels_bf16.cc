#include "transformer/attention_kernel.h"
#include "transformer/bf16_dot.h"

namespace fl::transformer {
const AttentionKernel kBf16Attention = Attention<Bf16Dot>::table();
}
