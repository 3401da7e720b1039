// Sums of int8 products by AVX-512 VNNI. vpdpbusd multiplies four unsigned bytes by four signed ones in each lane: the
// weight is made unsigned by flipping its sign bit, that is w + 128, so that sums are too large by 128 times the sum of
// the token's row, which the quantisation knows.
#ifndef FLAGOS_TRANSFORMER_INT8_VNNI_H_
#define FLAGOS_TRANSFORMER_INT8_VNNI_H_

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "transformer/kernels.h"

namespace fl::transformer {
namespace {

struct VnniInt8 {
  struct Session {};  // nothing to set up
  static constexpr int32_t kOffset = 128;
  static constexpr int kTileRows = 6;  // of weights; times 4 vectors of tokens, 24 accumulators
  static constexpr int kVectors = kInt8PanelRows / 16;

  // out[kTileRows][64] (+)= weights[kTileRows][inputs] * panel[inputs / 4][64][4], for a multiple of 4 inputs. The
  // loops are unrolled by name, and nothing refers to the accumulators: they must stay in registers.
  template <bool kAdd>
  static void tile(const int8_t* const* rows, const int8_t* panel, int64_t inputs, int32_t* out) {
    __m512i sum[kTileRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = kAdd ? _mm512_loadu_si512(out + r * kInt8PanelRows + v * 16) : _mm512_setzero_si512();
    const __m512i flip = _mm512_set1_epi32(static_cast<int>(0x80808080u));
    for (int64_t k = 0; k < inputs; k += 4, panel += 4 * kInt8PanelRows) {
      __m512i column[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) column[v] = _mm512_loadu_si512(panel + v * 64);
#pragma GCC unroll 8
      for (int r = 0; r < kTileRows; ++r) {
        int32_t word;
        std::memcpy(&word, rows[r] + k, sizeof word);
        const __m512i row = _mm512_xor_si512(_mm512_set1_epi32(word), flip);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], row, column[v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(out + r * kInt8PanelRows + v * 16, sum[r][v]);
  }

  // The inputs beyond the last multiple of 4: their words are copied out, since one read in place would leave the row.
  static void tile_rest(const int8_t* const* rows, const int8_t* panel, int64_t inputs, int32_t* out) {
    int8_t words[kTileRows][4] = {};
    const int8_t* copies[kTileRows];
    for (int r = 0; r < kTileRows; ++r) {
      std::memcpy(words[r], rows[r], static_cast<size_t>(inputs));
      copies[r] = words[r];
    }
    tile<true>(copies, panel, 4, out);
  }

  template <bool kAdd>
  static void sums(Session&, const int8_t* weight, int64_t stride, int64_t count, const int8_t* panel, int64_t inputs,
                   int32_t* out) {
    const int64_t whole = inputs / 4 * 4;
    for (int64_t n = 0; n < count; n += kTileRows, out += kTileRows * kInt8PanelRows) {
      const int8_t* rows[kTileRows];
      // Rows beyond the last repeat it; their products are not used.
      for (int64_t r = 0; r < kTileRows; ++r) rows[r] = weight + std::min(n + r, count - 1) * stride;
      tile<kAdd>(rows, panel, whole, out);
      if (whole == inputs) continue;
      for (const int8_t*& row : rows) row += whole;
      tile_rest(rows, panel + whole * kInt8PanelRows, inputs - whole, out);
    }
  }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_INT8_VNNI_H_
