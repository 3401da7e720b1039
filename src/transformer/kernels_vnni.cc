#include "transformer/int8_kernel.h"
#include "transformer/int8_vnni.h"

namespace fl::transformer {
const Int8Kernel kVnniInt8 = Int8Linear<VnniInt8>::table();
}
