// RMS norm, layer norm and rotary embedding, a row at a time. A row is read again for each pass, from the first cache.
// Included once by each code path's source.
#ifndef FLAGOS_TRANSFORMER_ROW_KERNELS_H_
#define FLAGOS_TRANSFORMER_ROW_KERNELS_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "transformer/kernels.h"
#include "transformer/row_moments.h"
#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

// The sum of the squares of a row by 32 running sums, which are handed up a level every sixteen steps so that the error
// of a long row stays small. Note [As PyTorch rounds].
template <class T>
inline float sum_of_squares(const T* x, int64_t width) {
  constexpr int64_t kSums = 32, kVectors = kSums / kLanes, kLevels = 4, kInTheEnd = 8;
  const int64_t steps = width / kSums;
  const int power = std::max(4, static_cast<int>(std::bit_width(static_cast<uint64_t>(steps))) / 4);
  const int64_t chunk = int64_t{1} << power;
  Floats level[kLevels][kVectors] = {};
  int64_t step = 0;
  const auto take_until = [&](int64_t end) {
    for (; step < end; ++step)
      for (int64_t v = 0; v < kVectors; ++v) {
        const Floats value = load_as_floats(x + step * kSums + v * kLanes);
        level[0][v] += value * value;
      }
  };
  const auto hand_up = [&](int64_t from, int64_t to) {
    for (int64_t v = 0; v < kVectors; ++v) level[to][v] += level[from][v], level[from][v] = Floats{};
  };
  while (step + chunk <= steps) {
    take_until(step + chunk);
    hand_up(0, 1);
    for (int64_t l = 2; l < kLevels && step % (int64_t{1} << (l * power)) == 0; ++l) hand_up(l - 1, l);
  }
  take_until(steps);
  for (int64_t l = 1; l < kLevels; ++l) hand_up(l, 0);

  float sums[kSums], total = 0;
  for (int64_t v = 0; v < kVectors; ++v) store(sums + v * kLanes, level[0][v]);
  const auto square = [&](int64_t at) {
    const float value = fl::random::widened(x[at]);
    return value * value;
  };
  const int64_t whole = width / kInTheEnd * kInTheEnd;
  for (int64_t i = steps * kSums; i < whole; ++i) sums[i % kInTheEnd] += square(i);
  for (int64_t i = kInTheEnd; i < kSums; ++i) sums[i % kInTheEnd] += sums[i];
  for (int64_t i = whole; i < width; ++i) total += square(i);
  for (int64_t i = 0; i < kInTheEnd; ++i) total += sums[i];
  return total;
}

// What a row is normalised by: (x - center) * factor + offset.
struct Measured {
  float center, factor, offset;
};

// out = normalised x * weight + bias.
template <bool kWeight, bool kBias, class T, class U>
inline void write_row(const T* x, U* out, int64_t width, const Measured& by, const float* weight, const float* bias) {
  const auto row = [&](auto value, auto center, auto factor, auto offset, auto scale, auto shift) {
    const auto y = fused(value - center, factor, offset);
    if constexpr (kWeight && kBias) return fused(y, scale, shift);
    if constexpr (kWeight) return y * scale;
    if constexpr (kBias) return y + shift;
    return y;
  };
  const Floats centers = broadcast(by.center), factors = broadcast(by.factor), offsets = broadcast(by.offset);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    store_rounded(out + i, row(load_as_floats(x + i), centers, factors, offsets, kWeight ? load(weight + i) : Floats{},
                               kBias ? load(bias + i) : Floats{}));
  for (; i < width; ++i)
    out[i] = fl::random::rounded<U>(row(fl::random::widened(x[i]), by.center, by.factor, by.offset,
                                        kWeight ? weight[i] : 0.0f, kBias ? bias[i] : 0.0f));
}

constexpr int64_t kRowsAtOnce = kLanes == 16 ? 4 : 2;  // as many as their moments have registers for

// Each row normalised by what measure(row pointers, Measured*) finds.
template <class Measure>
void for_rows(const fl_norm_args& args, int64_t first, int64_t last, Measure measure) {
  with_row_type(args.x_dtype, [&](auto from) {
    with_row_type(args.out_dtype, [&](auto to) {
      using T = decltype(from);
      using U = decltype(to);
      const auto* x = static_cast<const T*>(args.x);
      auto* out = static_cast<U*>(args.out);
      const bool weight = args.weight != nullptr, bias = args.bias != nullptr;
      const auto write = weight ? (bias ? &write_row<true, true, T, U> : &write_row<true, false, T, U>)
                                : (bias ? &write_row<false, true, T, U> : &write_row<false, false, T, U>);
      const auto rows = [&]<size_t kCount>(int64_t r) {
        const T* from[kCount];
        Measured measured[kCount];
        for (size_t i = 0; i < kCount; ++i) from[i] = x + (r + static_cast<int64_t>(i)) * args.row_stride;
        measure(from, measured);
        for (size_t i = 0; i < kCount; ++i)
          write(from[i], out + (r + static_cast<int64_t>(i)) * args.width, args.width, measured[i], args.weight,
                args.bias);
      };
      int64_t r = first;
      for (; r + kRowsAtOnce <= last; r += kRowsAtOnce) rows.template operator()<kRowsAtOnce>(r);
      for (; r < last; ++r) rows.template operator()<1>(r);
    });
  });
}

void rms_norm(const fl_norm_args& args, int64_t first, int64_t last) {
  for_rows(args, first, last, [&]<class T, size_t kCount>(const T* const(&rows)[kCount], Measured* to) {
    for (size_t i = 0; i < kCount; ++i) {
      const float mean = sum_of_squares(rows[i], args.width) / static_cast<float>(args.width);
      to[i] = {0, 1 / std::sqrt(mean + args.eps), 0};
    }
  });
}

void layer_norm(const fl_norm_args& args, int64_t first, int64_t last) {
  for_rows(args, first, last, [&]<class T, size_t kCount>(const T* const(&rows)[kCount], Measured* to) {
    Moments moments[kCount];
    measure_rows<T, kCount>(rows, args.width, moments);
    for (size_t i = 0; i < kCount; ++i) {
      const float mean = moments[i].mean, factor = 1 / std::sqrt(moments[i].variance + args.eps);
      // Elements of 16 bits cannot lose much by the cancellation that the difference avoids.
      to[i] = std::is_same_v<T, float> ? Measured{mean, factor, 0} : Measured{0, factor, -factor * mean};
    }
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
