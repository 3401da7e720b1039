#include "transformer/attention_kernel.h"
#include "transformer/float_dot.h"
#include "transformer/row_kernels.h"

namespace fl::transformer {
const Kernels kV3Kernels{"x86-64-v3", &rms_norm, &layer_norm, &rotary, Attention<FloatDot>::table()};
}
