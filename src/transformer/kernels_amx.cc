#include "transformer/attention_kernel.h"
#include "transformer/int8_kernel.h"
#include "transformer/int8_tiles.h"
#include "transformer/tile_dot.h"

namespace fl::transformer {
const AttentionKernel kTileAttention = Attention<TileDot<HardwareTiles>>::table();
const Int8Kernel kTileInt8 = Int8Linear<TileInt8<HardwareTiles>>::table();
}  // namespace fl::transformer
