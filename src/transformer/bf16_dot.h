// Products of a block of rows with a packed panel in bf16 pairs, summed in fp32 (vdpbf16ps).
#ifndef FLAGOS_TRANSFORMER_BF16_DOT_H_
#define FLAGOS_TRANSFORMER_BF16_DOT_H_

#include <immintrin.h>

#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

struct Bf16Dot {
  using Packed = uint16_t;
  struct Session {};  // nothing to set up
  static constexpr int kDepth = 2, kStep = 2;
  static constexpr int kVectors = 4;
  static constexpr int kRows = 6;
  static constexpr int kWidth = kVectors * 16;

  static Packed packed(BFloat16 value) { return value.bits; }

  // As FloatDot::block; a step is two values of each row.
  template <bool kAdd>
  static void block(Session&, const Packed* a, int64_t lda, const Packed* panel, int64_t steps, float* c, int64_t ldc) {
    __m512 sum[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_setzero_ps();
    for (int64_t k = 0; k < steps; ++k, panel += kWidth * 2) {
      __m512bh column[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) column[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + v * 32));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        int32_t pair;
        std::memcpy(&pair, a + r * lda + 2 * k, sizeof pair);
        const auto row = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], row, column[v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        float* to = c + r * ldc + v * 16;
        _mm512_storeu_ps(to, kAdd ? _mm512_loadu_ps(to) + sum[r][v] : sum[r][v]);
      }
  }

  static bool serves(fl_dtype dtype) { return dtype == FL_BFLOAT16; }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_BF16_DOT_H_
