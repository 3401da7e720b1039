// See int8_kernel.h.
#include "transformer/int8_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <memory>

#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

constexpr int64_t kChunk = 2048;  // inputs that are summed before the accumulators leave the registers
constexpr int kTileRows = 6;      // of weights; times 4 vectors of tokens, 24 accumulators
constexpr int kVectors = kPanelRows / 16;
static_assert(kWeightRows % kTileRows == 0);

// out[kTileRows][64] (+)= weights[kTileRows][inputs] * panel[inputs / 4][64][4], for a multiple of 4 inputs. The loops
// are unrolled by name, and nothing refers to the accumulators: they must stay in registers.
template <bool kAdd>
void tile(const int8_t* const* rows, const int8_t* panel, int64_t inputs, int32_t* out) {
  __m512i sum[kTileRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      sum[r][v] = kAdd ? _mm512_loadu_si512(out + r * kPanelRows + v * 16) : _mm512_setzero_si512();
  const __m512i flip = _mm512_set1_epi32(static_cast<int>(0x80808080u));
  for (int64_t k = 0; k < inputs; k += 4, panel += 4 * kPanelRows) {
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
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(out + r * kPanelRows + v * 16, sum[r][v]);
}

// The inputs beyond the last multiple of 4: their words are copied out, since one read in place would leave the row.
void tile_rest(const int8_t* const* rows, const int8_t* panel, int64_t inputs, int32_t* out) {
  int8_t words[kTileRows][4] = {};
  const int8_t* copies[kTileRows];
  for (int r = 0; r < kTileRows; ++r) {
    std::memcpy(words[r], rows[r], static_cast<size_t>(inputs));
    copies[r] = words[r];
  }
  tile<true>(copies, panel, 4, out);
}

// The largest size in a row; NaN if an element is NaN or infinite, so that the whole row of y is.
float peak_of(const float* x, int64_t count) {
  float partial[kPartial] = {}, poison[kPartial] = {};
  int64_t i = 0;
  for (; i + kPartial <= count; i += kPartial)
    for (int64_t lane = 0; lane < kPartial; ++lane) {
      const float size = std::abs(x[i + lane]);
      partial[lane] = size > partial[lane] ? size : partial[lane];
      poison[lane] += x[i + lane] * 0.0f;
    }
  for (; i < count; ++i) {
    partial[0] = std::max(partial[0], std::abs(x[i]));
    poison[0] += x[i] * 0.0f;
  }
  return *std::max_element(partial, partial + kPartial) + sum(poison);
}

}  // namespace

void quantise_panel(const fl_int8_linear_args& args, int64_t panel, int8_t* to, float* scales, int32_t* sums) {
  const int64_t first = panel * kPanelRows, inputs = args.inputs, steps = (inputs + 3) / 4;
  const auto wide = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(steps * 4));
  const auto narrow = std::make_unique_for_overwrite<int8_t[]>(static_cast<size_t>(steps * 4));
  std::fill(wide.get() + inputs, wide.get() + steps * 4, 0.0f);
  with_row_type(args.dtype, [&](auto element) {
    using T = decltype(element);
    for (int64_t t = 0; t < kPanelRows; ++t) {
      if (first + t >= args.rows) {  // rows that are not there: never written to y
        for (int64_t k = 0; k < steps; ++k) std::memset(to + (k * kPanelRows + t) * 4, 0, 4);
        continue;
      }
      widen_row(static_cast<const T*>(args.x) + (first + t) * args.row_stride, inputs, wide.get());
      const float peak = peak_of(wide.get(), inputs), scale = peak == 0 ? 1.0f : peak / 127.0f;
      constexpr float kRounding = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, ties to even
      int32_t total = 0;
      for (int64_t k = 0; k < steps * 4; ++k) {
        const float quotient = wide[static_cast<size_t>(k)] / scale;
        // So written that NaN becomes a number: the scale, NaN itself, sees to the result.
        const float raised = quotient > -127.0f ? quotient : -127.0f, bounded = raised < 127.0f ? raised : 127.0f;
        const auto value = static_cast<int32_t>(fl::random::bits_of(bounded + kRounding)) -
                           static_cast<int32_t>(fl::random::bits_of(kRounding));
        total += value;
        narrow[static_cast<size_t>(k)] = static_cast<int8_t>(value);
      }
      scales[t] = scale;
      sums[t] = total;
      for (int64_t k = 0; k < steps; ++k) std::memcpy(to + (k * kPanelRows + t) * 4, narrow.get() + k * 4, 4);
    }
  });
}

void multiply_panel(const fl_int8_linear_args& args, int64_t panel, const int8_t* packed, const float* scales,
                    const int32_t* sums, int64_t first) {
  alignas(64) static thread_local int32_t products[kWeightRows * kPanelRows];
  const int64_t count = std::min(kWeightRows, args.outputs - first), inputs = args.inputs;
  for (int64_t from = 0; from < inputs; from += kChunk) {
    const int64_t here = std::min(kChunk, inputs - from);
    for (int64_t n = 0; n < count; n += kTileRows) {
      const int8_t* rows[kTileRows];
      // Rows beyond the last repeat it; their products are not used.
      for (int64_t r = 0; r < kTileRows; ++r)
        rows[r] = args.weight + std::min(first + n + r, args.outputs - 1) * inputs + from;
      const int64_t whole = here / 4 * 4;
      int32_t* out = products + n * kPanelRows;
      (from == 0 ? tile<false> : tile<true>)(rows, packed + from * kPanelRows, whole, out);
      if (whole == here) continue;
      for (const int8_t*& row : rows) row += whole;
      tile_rest(rows, packed + (from + whole) * kPanelRows, here - whole, out);
    }
  }
  const __m512i column = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                            _mm512_set1_epi32(kPanelRows));
  alignas(64) float row[kWeightRows];
  const int64_t tokens = std::min(kPanelRows, args.rows - panel * kPanelRows);
  with_row_type(args.dtype, [&](auto element) {
    using T = decltype(element);
    for (int64_t t = 0; t < tokens; ++t) {
      const __m512i excess = _mm512_set1_epi32(128 * sums[t]);
      const __m512 token_scale = _mm512_set1_ps(scales[t]);
      for (int64_t n = 0; n < count; n += 16) {
        const auto lanes = static_cast<__mmask16>(count - n >= 16 ? 0xffff : (1u << (count - n)) - 1);
        const __m512i sum = _mm512_mask_i32gather_epi32(excess, lanes, column, products + n * kPanelRows + t, 4);
        __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum, excess)), token_scale);
        y = _mm512_mul_ps(y, _mm512_maskz_loadu_ps(lanes, args.scale + first + n));
        if (args.bias != nullptr) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, args.bias + first + n));
        _mm512_store_ps(row + n, y);
      }
      round_row(row, count, static_cast<T*>(args.y) + (panel * kPanelRows + t) * args.outputs + first);
    }
  });
}

}  // namespace fl::transformer

#endif  // __x86_64__
