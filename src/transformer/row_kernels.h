// RMS norm, layer norm and rotary embedding, a row at a time through a buffer of floats that stays in the first cache.
// Included once by each code path's source.
#ifndef FLAGOS_TRANSFORMER_ROW_KERNELS_H_
#define FLAGOS_TRANSFORMER_ROW_KERNELS_H_

#include <cmath>
#include <memory>

#include "transformer/kernels.h"
#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

template <class Term>
inline float sum_of(int64_t count, Term term) {
  float partial[kPartial] = {};
  int64_t i = 0;
  for (; i + kPartial <= count; i += kPartial)
    for (int64_t lane = 0; lane < kPartial; ++lane) partial[lane] += term(i + lane);
  for (int64_t lane = 0; i < count; ++i, ++lane) partial[lane] += term(i);
  return sum(partial);
}

// out = x * factor * weight + bias where they are given.
inline void scale_row(float* __restrict x, int64_t width, float factor, const float* __restrict weight,
                      const float* __restrict bias) {
  if (weight == nullptr) {
    for (int64_t i = 0; i < width; ++i) x[i] *= factor;
  } else {
    for (int64_t i = 0; i < width; ++i) x[i] = x[i] * factor * weight[i];
  }
  if (bias != nullptr)
    for (int64_t i = 0; i < width; ++i) x[i] += bias[i];
}

template <class Body>
void for_rows(const fl_norm_args& args, int64_t first, int64_t last, Body body) {
  const auto row = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(args.width));
  with_row_type(args.x_dtype, [&](auto from) {
    with_row_type(args.out_dtype, [&](auto to) {
      const auto* x = static_cast<const decltype(from)*>(args.x);
      auto* out = static_cast<decltype(to)*>(args.out);
      for (int64_t r = first; r < last; ++r) {
        widen_row(x + r * args.row_stride, args.width, row.get());
        body(row.get());
        round_row(row.get(), args.width, out + r * args.width);
      }
    });
  });
}

void rms_norm(const fl_norm_args& args, int64_t first, int64_t last) {
  for_rows(args, first, last, [&](float* x) {
    const float squares = sum_of(args.width, [x](int64_t i) { return x[i] * x[i]; });
    scale_row(x, args.width, 1 / std::sqrt(squares / static_cast<float>(args.width) + args.eps), args.weight, nullptr);
  });
}

void layer_norm(const fl_norm_args& args, int64_t first, int64_t last) {
  for_rows(args, first, last, [&](float* x) {
    const auto width = static_cast<float>(args.width);
    const float mean = sum_of(args.width, [x](int64_t i) { return x[i]; }) / width;
    for (int64_t i = 0; i < args.width; ++i) x[i] -= mean;
    const float squares = sum_of(args.width, [x](int64_t i) { return x[i] * x[i]; });
    scale_row(x, args.width, 1 / std::sqrt(squares / width + args.eps), args.weight, args.bias);
  });
}

// The cosines and sines of one table row, in order: those of first channels, then those of second ones.
struct Angles {
  float *cos_first, *sin_first;
  const float *cos_second, *sin_second;
};

template <class T>
inline void turn(const T* __restrict x, T* __restrict out, int64_t pairs, const Angles& a, bool interleaved) {
  const float* __restrict cf = a.cos_first, * __restrict sf = a.sin_first, * __restrict cs = a.cos_second, * __restrict ss = a.sin_second;
  if (!interleaved) {
    for (int64_t i = 0; i < pairs; ++i) {
      const float first = fl::random::widened(x[i]), second = fl::random::widened(x[i + pairs]);
      out[i] = fl::random::rounded<T>(first * cf[i] - second * sf[i]);
      out[i + pairs] = fl::random::rounded<T>(second * cs[i] + first * ss[i]);
    }
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    // A pair is one 32-bit word: its halves are the two floats, but for a shift.
    for (int64_t i = 0; i < pairs; ++i) {
      uint32_t word;
      std::memcpy(&word, x + 2 * i, sizeof word);
      const float first = fl::random::float_of(word << 16), second = fl::random::float_of(word & 0xffff0000u);
      const uint32_t low = fl::random::rounded<BFloat16>(first * cf[i] - second * sf[i]).bits;
      const uint32_t high = fl::random::rounded<BFloat16>(second * cs[i] + first * ss[i]).bits;
      word = low | high << 16;
      std::memcpy(out + 2 * i, &word, sizeof word);
    }
  } else {
    for (int64_t i = 0; i < pairs; ++i) {
      const float first = fl::random::widened(x[2 * i]), second = fl::random::widened(x[2 * i + 1]);
      out[2 * i] = fl::random::rounded<T>(first * cf[i] - second * sf[i]);
      out[2 * i + 1] = fl::random::rounded<T>(second * cs[i] + first * ss[i]);
    }
  }
}

void rotary(const fl_rotary_args& args, int64_t first, int64_t last) {
  const int64_t pairs = args.width / 2;
  const bool wide = args.table_width == args.width;
  const auto buffer = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(4 * pairs));
  Angles angles{buffer.get(), buffer.get() + pairs, buffer.get(), buffer.get() + pairs};
  if (wide) angles.cos_second = buffer.get() + 2 * pairs, angles.sin_second = buffer.get() + 3 * pairs;
  const auto read_angles = [&](int64_t i0, int64_t i1, int64_t i2) {
    const auto at = [&](const int64_t* strides) { return i0 * strides[0] + i1 * strides[1] + i2 * strides[2]; };
    const float *cos = args.cos + at(args.cos_strides), *sin = args.sin + at(args.sin_strides);
    const int64_t cos_step = args.cos_strides[3], sin_step = args.sin_strides[3];
    // In a wide table a pair's two values lie as its two channels do.
    const int64_t spread = wide && args.interleaved ? 2 : 1;
    for (int64_t i = 0; i < pairs; ++i) {
      angles.cos_first[i] = cos[i * spread * cos_step];
      angles.sin_first[i] = sin[i * spread * sin_step];
    }
    if (!wide) return;
    const int64_t other = args.interleaved ? 1 : pairs;
    for (int64_t i = 0; i < pairs; ++i) {
      buffer[static_cast<size_t>(2 * pairs + i)] = cos[(i * spread + other) * cos_step];
      buffer[static_cast<size_t>(3 * pairs + i)] = sin[(i * spread + other) * sin_step];
    }
  };
  const bool shared = args.cos_strides[2] == 0 && args.sin_strides[2] == 0;
  with_row_type(args.dtype, [&](auto element) {
    using T = decltype(element);
    const auto* x = static_cast<const T*>(args.x);
    auto* out = static_cast<T*>(args.out);
    for (int64_t row = first; row < last; ++row) {
      const int64_t i0 = row / args.sizes[1], i1 = row % args.sizes[1];
      for (int64_t i2 = 0; i2 < args.sizes[2]; ++i2) {
        if (i2 == 0 || !shared) read_angles(i0, i1, i2);
        turn(x + i0 * args.x_strides[0] + i1 * args.x_strides[1] + i2 * args.x_strides[2],
             out + (row * args.sizes[2] + i2) * args.width, pairs, angles, args.interleaved != 0);
      }
    }
  });
}

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_ROW_KERNELS_H_
