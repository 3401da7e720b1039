// RMS norm, layer norm and rotary embedding, a row at a time. A row is read again for each pass, from the first cache.
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

// The sum of term(x[i] - center) over a row, in four vectors of partial sums. term() takes floats and vectors of them.
template <class T, class Term>
inline float sum_of(const T* x, int64_t width, float center, Term term) {
  const Floats centers = broadcast(center);
  Floats a{}, b{}, c{}, d{};
  int64_t i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
    a += term(load_as_floats(x + i) - centers);
    b += term(load_as_floats(x + i + kLanes) - centers);
    c += term(load_as_floats(x + i + 2 * kLanes) - centers);
    d += term(load_as_floats(x + i + 3 * kLanes) - centers);
  }
  for (; i + kLanes <= width; i += kLanes) a += term(load_as_floats(x + i) - centers);
  float rest = 0;
  for (; i < width; ++i) rest += term(fl::random::widened(x[i]) - center);
  return sum_lanes((a + b) + (c + d)) + rest;
}

constexpr auto kItself = [](auto value) { return value; };
constexpr auto kSquare = [](auto value) { return value * value; };

// out = (x - center) * factor * weight + bias.
template <bool kWeight, bool kBias, class T, class U>
inline void write_row(const T* x, U* out, int64_t width, float center, float factor, const float* weight,
                      const float* bias) {
  const Floats centers = broadcast(center), factors = broadcast(factor);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Floats y = (load_as_floats(x + i) - centers) * factors;
    if constexpr (kWeight) y *= load(weight + i);
    if constexpr (kBias) y += load(bias + i);
    store_rounded(out + i, y);
  }
  for (; i < width; ++i) {
    float y = (fl::random::widened(x[i]) - center) * factor;
    if constexpr (kWeight) y *= weight[i];
    if constexpr (kBias) y += bias[i];
    out[i] = fl::random::rounded<U>(y);
  }
}

// For each row, center_and_factor(row) and what it gives written out.
template <class Measure>
void for_rows(const fl_norm_args& args, int64_t first, int64_t last, Measure center_and_factor) {
  with_row_type(args.x_dtype, [&](auto from) {
    with_row_type(args.out_dtype, [&](auto to) {
      using T = decltype(from);
      using U = decltype(to);
      const auto* x = static_cast<const T*>(args.x);
      auto* out = static_cast<U*>(args.out);
      const bool weight = args.weight != nullptr, bias = args.bias != nullptr;
      const auto write = weight ? (bias ? &write_row<true, true, T, U> : &write_row<true, false, T, U>)
                                : (bias ? &write_row<false, true, T, U> : &write_row<false, false, T, U>);
      for (int64_t r = first; r < last; ++r) {
        const T* row = x + r * args.row_stride;
        const auto [center, factor] = center_and_factor(row);
        write(row, out + r * args.width, args.width, center, factor, args.weight, args.bias);
      }
    });
  });
}

struct Measured {
  float center, factor;
};

void rms_norm(const fl_norm_args& args, int64_t first, int64_t last) {
  for_rows(args, first, last, [&](const auto* row) {
    const float mean = sum_of(row, args.width, 0, kSquare) / static_cast<float>(args.width);
    return Measured{0, 1 / std::sqrt(mean + args.eps)};
  });
}

void layer_norm(const fl_norm_args& args, int64_t first, int64_t last) {
  for_rows(args, first, last, [&](const auto* row) {
    const auto width = static_cast<float>(args.width);
    const float mean = sum_of(row, args.width, 0, kItself) / width;
    return Measured{mean, 1 / std::sqrt(sum_of(row, args.width, mean, kSquare) / width + args.eps)};
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
