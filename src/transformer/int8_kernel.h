// The int8 product over a panel of tokens: activations quantised into panels, weights read as they lie, sums scaled and
// written. Templated on how the sums are made (int8_vnni.h, int8_tiles.h).
//
// Note [Which side is packed]
//  The lanes are 64 rows of x (tokens), whose panel the quantisation writes anyway; the other factor is rows of the
//  weight, whose bytes lie next to each other in the checkpoint's layout. So no weight is ever packed, and a block that
//  was just copied into a buffer costs nothing more.
#ifndef FLAGOS_TRANSFORMER_INT8_KERNEL_H_
#define FLAGOS_TRANSFORMER_INT8_KERNEL_H_

#include <algorithm>
#include <cmath>
#include <memory>

#include "transformer/kernels.h"
#include "transformer/rows.h"
#include "transformer/transposed.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

// The largest size in a row; NaN if an element is NaN or infinite, so that the whole row of y is.
inline float peak_of(const float* x, int64_t count) {
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

// Product::sums<kAdd>(session, weight, stride, count, panel, inputs, out):
//   out[count][64] (+)= (weight[count][inputs] + Product::kOffset) . panel[inputs / 4][64][4], weight rows `stride`
//   bytes apart. It may write rows up to the next multiple of 32.
template <class Product>
struct Int8Linear {
  static constexpr int64_t kChunk = 2048;  // inputs that are summed before the accumulators leave the registers
  static constexpr int64_t kRows = kInt8WeightRows;
  static_assert(kRows % 32 == 0);

  static void quantise(const fl_int8_linear_args& args, int64_t panel, int8_t* to, float* scales, int32_t* sums) {
    const int64_t first = panel * kInt8PanelRows, inputs = args.inputs;
    const int64_t padded = int8_panel_bytes(inputs) / kInt8PanelRows, steps = padded / 4;
    const auto wide = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(padded));
    const auto narrow = std::make_unique_for_overwrite<int8_t[]>(static_cast<size_t>(padded));
    std::fill(wide.get() + inputs, wide.get() + padded, 0.0f);
    with_row_type(args.dtype, [&](auto element) {
      using T = decltype(element);
      for (int64_t t = 0; t < kInt8PanelRows; ++t) {
        if (first + t >= args.rows) {  // rows that are not there: never written to y
          for (int64_t k = 0; k < steps; ++k) std::memset(to + (k * kInt8PanelRows + t) * 4, 0, 4);
          continue;
        }
        widen_row(static_cast<const T*>(args.x) + (first + t) * args.row_stride, inputs, wide.get());
        const float peak = peak_of(wide.get(), inputs), scale = peak == 0 ? 1.0f : peak / 127.0f;
        constexpr float kRounding = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, ties to even
        int32_t total = 0;
        for (int64_t k = 0; k < padded; ++k) {
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
        for (int64_t k = 0; k < steps; ++k) std::memcpy(to + (k * kInt8PanelRows + t) * 4, narrow.get() + k * 4, 4);
      }
    });
  }

  static void multiply(const fl_int8_linear_args& args, int64_t panel, const int8_t* packed, const float* scales,
                       const int32_t* sums, int64_t first) {
    alignas(64) static thread_local int32_t products[kRows * kInt8PanelRows];
    const int64_t count = std::min(kRows, args.outputs - first), inputs = args.inputs;
    {
      typename Product::Session session;
      const int8_t* weight = args.weight + first * inputs;
      for (int64_t from = 0; from < inputs; from += kChunk)
        (from == 0 ? Product::template sums<false>
                   : Product::template sums<true>)(session, weight + from, inputs, count,
                                                   packed + from * kInt8PanelRows, std::min(kChunk, inputs - from),
                                                   products);
    }
    if (inputs == 0) std::fill_n(products, kRows * kInt8PanelRows, 0);
    const int64_t tokens = std::min(kInt8PanelRows, args.rows - panel * kInt8PanelRows);
    with_row_type(args.dtype, [&](auto element) {
      using T = decltype(element);
      alignas(64) int32_t block[16][16];
      alignas(64) float row[16];
      for (int64_t t = 0; t < tokens; t += 16)
        for (int64_t n = 0; n < count; n += 16) {
          const void* rows[16];
          for (int64_t r = 0; r < 16; ++r) rows[r] = products + (n + r) * kInt8PanelRows + t;
          transpose_16(rows, block[0], 16);
          const int64_t lanes = std::min<int64_t>(16, count - n), here = std::min<int64_t>(16, tokens - t);
          float scale[16] = {}, bias[16] = {};
          std::memcpy(scale, args.scale + first + n, static_cast<size_t>(lanes) * sizeof(float));
          if (args.bias != nullptr)
            std::memcpy(bias, args.bias + first + n, static_cast<size_t>(lanes) * sizeof(float));
          for (int64_t i = 0; i < here; ++i) {
            const int32_t excess = Product::kOffset * sums[t + i];
            for (int64_t lane = 0; lane < 16; ++lane)
              row[lane] = static_cast<float>(block[i][lane] - excess) * scales[t + i] * scale[lane] + bias[lane];
            T* to = static_cast<T*>(args.y) + (panel * kInt8PanelRows + t + i) * args.outputs + first + n;
            if (lanes == 16)
              round_row(row, 16, to);
            else
              round_row(row, lanes, to);
          }
        }
    });
  }

  static constexpr Int8Kernel table() { return {&quantise, &multiply}; }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_INT8_KERNEL_H_
