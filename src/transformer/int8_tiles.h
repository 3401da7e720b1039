// Sums of int8 products by tiles (tdpbssd): weight rows are the left factor as they lie, a panel of tokens the right
// one.
#ifndef FLAGOS_TRANSFORMER_INT8_TILES_H_
#define FLAGOS_TRANSFORMER_INT8_TILES_H_

#include <algorithm>
#include <cstring>

#include "transformer/kernels.h"
#include "transformer/tiles.h"

namespace fl::transformer {
namespace {

template <class Tiles>
struct TileInt8 {
  using Session = Tiles;
  static constexpr int32_t kOffset = 0;
  static constexpr int64_t kBlock = 32;  // rows and columns of tile_block

  // The rows of the last block that are not there, and the inputs beyond the last whole row of a tile, are zeros in a
  // copy: tiles are read whole, and what lies beyond the weight is not ours to read.
  template <bool kAdd>
  static void sums(Tiles& tiles, const int8_t* weight, int64_t stride, int64_t count, const int8_t* panel,
                   int64_t inputs, int32_t* out) {
    const int64_t whole = inputs / kTileBytes, rest = inputs % kTileBytes;
    alignas(64) int8_t copy[kBlock][kTileBytes];
    for (int64_t n = 0; n < count; n += kBlock, weight += kBlock * stride, out += kBlock * kInt8PanelRows) {
      const int64_t rows = std::min(kBlock, count - n);
      const bool ragged = rows < kBlock;
      multiply<kAdd>(tiles, weight, stride, panel, ragged ? 0 : whole, out);
      for (int64_t step = ragged ? 0 : whole; step < whole + (rest > 0); ++step) {
        std::memset(copy, 0, sizeof copy);
        const int64_t here = std::min(kTileBytes, inputs - step * kTileBytes);
        for (int64_t r = 0; r < rows; ++r)
          std::memcpy(copy[r], weight + r * stride + step * kTileBytes, static_cast<size_t>(here));
        multiply<true>(tiles, copy[0], kTileBytes, panel + step * kTileBytes * kInt8PanelRows, 1, out);
      }
    }
  }

 private:
  template <bool kAdd>
  static void multiply(Tiles& tiles, const int8_t* rows, int64_t stride, const int8_t* panel, int64_t steps,
                       int32_t* out) {
    for (int64_t token = 0; token < kInt8PanelRows; token += kBlock)
      tile_block<kAdd>(tiles, rows, stride, panel + token * 4, kInt8PanelRows * 4, steps, out + token,
                       kInt8PanelRows * 4, MultiplyInt8{});
  }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_INT8_TILES_H_
