// Products of a block of rows with a packed panel in bf16 by tiles (tdpbf16ps). Note [Packed panels] describes what a
// tile of the right factor is: 16 steps of pairs, 16 columns.
#ifndef FLAGOS_TRANSFORMER_TILE_DOT_H_
#define FLAGOS_TRANSFORMER_TILE_DOT_H_

#include "transformer/rows.h"
#include "transformer/tiles.h"

namespace fl::transformer {
namespace {

template <class Tiles>
struct TileDot {
  using Packed = uint16_t;
  using Session = Tiles;
  static constexpr int kDepth = 2;
  static constexpr int kStep = 32;
  static constexpr int kRows = 32;
  static constexpr int kWidth = 32;

  static Packed packed(BFloat16 value) { return value.bits; }

  // As FloatDot::block; a step is a row of a tile, 32 values of each row.
  template <bool kAdd>
  static void block(Tiles& tiles, const Packed* a, int64_t lda, const Packed* panel, int64_t steps, float* c,
                    int64_t ldc) {
    tile_block<kAdd>(tiles, a, lda * 2, panel, kWidth * kDepth * 2, steps, c, ldc * 4, MultiplyBf16{});
  }

  static bool serves(fl_dtype dtype) { return dtype == FL_BFLOAT16; }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_TILE_DOT_H_
