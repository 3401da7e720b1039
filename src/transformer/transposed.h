// Blocks of 16 by 16 words turned round in registers.
#ifndef FLAGOS_TRANSFORMER_TRANSPOSED_H_
#define FLAGOS_TRANSFORMER_TRANSPOSED_H_

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace fl::transformer {
namespace {

// Column c of the words at `rows`, of any alignment, becomes the 16 words at to + c * stride; the first `columns` of
// them. kSwapHalves: the two halves of each word change places.
template <bool kSwapHalves = false>
inline void transpose_16(const void* const (&rows)[16], int32_t* to, int64_t stride, int64_t columns = 16) {
#if defined(__AVX512F__)
  __m512i a[16], b[16];
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r) a[r] = _mm512_loadu_si512(rows[r]);
    // Pairs of words, pairs of doublewords, then quarters of vectors twice: four stages that double what lies together.
#pragma GCC unroll 8
  for (int r = 0; r < 16; r += 2) {
    b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < 16; r += 4) {
    a[r] = _mm512_unpacklo_epi64(b[r], b[r + 2]);
    a[r + 1] = _mm512_unpackhi_epi64(b[r], b[r + 2]);
    a[r + 2] = _mm512_unpacklo_epi64(b[r + 1], b[r + 3]);
    a[r + 3] = _mm512_unpackhi_epi64(b[r + 1], b[r + 3]);
  }
  // a[4 g + c], quarter q: column 4 q + c of rows 4 g .. 4 g + 3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i even = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88), odd = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd);
    const __m512i even_below = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88),
                  odd_below = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
    b[c] = _mm512_shuffle_i32x4(even, even_below, 0x88);
    b[4 + c] = _mm512_shuffle_i32x4(odd, odd_below, 0x88);
    b[8 + c] = _mm512_shuffle_i32x4(even, even_below, 0xdd);
    b[12 + c] = _mm512_shuffle_i32x4(odd, odd_below, 0xdd);
  }
#pragma GCC unroll 16
  for (int c = 0; c < 16; ++c)
    if (c < columns) _mm512_storeu_si512(to + c * stride, kSwapHalves ? _mm512_rol_epi32(b[c], 16) : b[c]);
#else
  for (int r = 0; r < 16; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      uint32_t word;
      std::memcpy(&word, static_cast<const char*>(rows[r]) + 4 * c, sizeof word);
      to[c * stride + r] = static_cast<int32_t>(kSwapHalves ? word << 16 | word >> 16 : word);
    }
#endif
}

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_TRANSPOSED_H_
