#include "transformer/attention_kernel.h"
#include "transformer/float_dot.h"
#include "transformer/row_kernels.h"

namespace fl::transformer {
const Kernels kGenericKernels{"generic", &rms_norm, &layer_norm, &rotary, Attention<FloatDot>::table()};
}
