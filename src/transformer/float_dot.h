// Products of a block of rows with a packed panel in fp32 (Note [Packed panels]), by the vectors of the code path.
#ifndef FLAGOS_TRANSFORMER_FLOAT_DOT_H_
#define FLAGOS_TRANSFORMER_FLOAT_DOT_H_

#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

struct FloatDot {
  using Packed = float;
  struct Session {};  // nothing to set up
  static constexpr int kDepth = 1, kStep = 1;
  // Accumulators, one panel row and one broadcast fill the registers: 6 * 4 + 4 + 1 of 32, or 6 * 2 + 2 + 1 of 16.
  static constexpr int kVectors = kLanes == 16 ? 4 : 2;
  static constexpr int kRows = kLanes == 4 ? 4 : 6;
  static constexpr int kWidth = kVectors * kLanes;

  template <class T>
  static Packed packed(T value) {
    return fl::random::widened(value);
  }

  // c[kRows][kWidth] (+)= a[kRows][steps] * panel[steps][kWidth], the product summed in order before c is added. `c`
  // has a stride of `ldc`, `a` of `lda`.
  template <bool kAdd>
  static void block(Session&, const Packed* a, int64_t lda, const Packed* panel, int64_t steps, float* c, int64_t ldc) {
    Floats sum[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Floats{};
    for (int64_t k = 0; k < steps; ++k, panel += kWidth) {
      Floats column[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) column[v] = load(panel + v * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Floats row = broadcast(a[r * lda + k]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = fused(row, column[v], sum[r][v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        float* to = c + r * ldc + v * kLanes;
        store(to, kAdd ? load(to) + sum[r][v] : sum[r][v]);
      }
  }

  static bool serves(fl_dtype) { return true; }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_FLOAT_DOT_H_
