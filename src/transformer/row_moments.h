// Mean and variance of rows in one pass: Welford's recurrence in every vector lane over chunks of a row, chunks joined
// pairwise (Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983). Chunks, eight lanes on
// every code path, and the order in which they join are those of PyTorch's CPU kernel; see Note [As PyTorch rounds].
#ifndef FLAGOS_TRANSFORMER_ROW_MOMENTS_H_
#define FLAGOS_TRANSFORMER_ROW_MOMENTS_H_

#include <algorithm>
#include <bit>

#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

typedef float Eight __attribute__((vector_size(8 * sizeof(float))));

template <class T>
inline Eight load_eight(const T* from) {
  if constexpr (std::is_same_v<T, float>) {
    Eight vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    typedef uint16_t Halves __attribute__((vector_size(8 * sizeof(uint16_t))));
    typedef uint32_t Bits __attribute__((vector_size(8 * sizeof(uint32_t))));
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    return reinterpret_cast<Eight>(__builtin_convertvector(halves, Bits) << 16);
  } else {
    Eight vector;
    for (int i = 0; i < 8; ++i) vector[i] = fl::random::widened(from[i]);
    return vector;
  }
}

struct Moments {
  float mean, variance;
};

// Count, mean and sum of squared distances from it: of a lane in each of kRows rows.
template <class Lane, size_t kRows>
struct PartialMoments {
  int64_t count;
  Lane mean[kRows], squares[kRows];
};

template <size_t kRows>
inline void join(int64_t count, const Eight (&mean)[kRows], const Eight (&squares)[kRows],
                 PartialMoments<Eight, kRows>& to) {
  const auto before = static_cast<float>(to.count);
  to.count += count;
  const float share = to.count == 0 ? 0.0f : static_cast<float>(count) / static_cast<float>(to.count);
  for (size_t r = 0; r < kRows; ++r) {
    const Eight delta = mean[r] - to.mean[r], step = share * delta;
    to.mean[r] = to.mean[r] + step;
    to.squares[r] = fused(delta * before, step, to.squares[r] + squares[r]);
  }
}

// Whole vectors of the rows. Elements of two bytes come in twos of vectors, each with lanes of its own.
template <class T, size_t kRows>
inline PartialMoments<Eight, kRows> moments_by_lane(const T* const (&x)[kRows], int64_t steps) {
  constexpr int64_t kChunk = 16;  // steps of a chunk
  constexpr int kVectors = sizeof(T) == sizeof(float) ? 1 : 2;
  constexpr int kMostLevels = 59;  // of 2^63 elements; those not needed are not touched
  static constexpr float kShare[kChunk] = {1,         1.0f / 2,  1.0f / 3,  1.0f / 4,  1.0f / 5,  1.0f / 6,
                                           1.0f / 7,  1.0f / 8,  1.0f / 9,  1.0f / 10, 1.0f / 11, 1.0f / 12,
                                           1.0f / 13, 1.0f / 14, 1.0f / 15, 1.0f / 16};
  const int64_t chunks = (steps + kChunk - 1) / kChunk;
  const int levels = chunks <= 2 ? 1 : static_cast<int>(std::bit_width(static_cast<uint64_t>(chunks) - 1));
  PartialMoments<Eight, kRows> level[kMostLevels];
  std::fill_n(level, levels, PartialMoments<Eight, kRows>{});
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t first = chunk * kChunk, count = std::min(kChunk, steps - first);
    Eight mean[kVectors][kRows] = {}, squares[kVectors][kRows] = {};
    for (int64_t step = 0; step < count; ++step) {
      const Eight share = Eight{} + kShare[step];
#pragma GCC unroll 4
      for (size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const Eight value = load_eight(x[r] + ((first + step) * kVectors + v) * 8);
          const Eight delta = value - mean[v][r];
          mean[v][r] = fused(delta, share, mean[v][r]);
          squares[v][r] = fused(delta, value - mean[v][r], squares[v][r]);
        }
    }
    for (int v = 0; v < kVectors; ++v) join(count, mean[v], squares[v], level[0]);
    for (int i = 1; i < levels && (chunk + 1) % (int64_t{1} << i) == 0; ++i) {
      join(level[i - 1].count, level[i - 1].mean, level[i - 1].squares, level[i]);
      level[i - 1] = {};
    }
  }
  for (int i = 1; i < levels; ++i) join(level[i].count, level[i].mean, level[i].squares, level[0]);
  return level[0];
}

// Of kRows rows at once, so that the recurrence of one does not wait for itself.
template <class T, size_t kRows>
inline void measure_rows(const T* const (&x)[kRows], int64_t width, Moments* to) {
  constexpr int64_t kStep = sizeof(T) == sizeof(float) ? 8 : 16;
  const int64_t steps = width / kStep;
  const auto lanes = moments_by_lane<T, kRows>(x, steps);
  PartialMoments<float, kRows> all{};
  for (int64_t i = steps * kStep; i < width; ++i) {
    ++all.count;
    for (size_t r = 0; r < kRows; ++r) {
      const float value = fl::random::widened(x[r][i]), delta = value - all.mean[r];
      all.mean[r] += delta / static_cast<float>(all.count);
      all.squares[r] += delta * (value - all.mean[r]);
    }
  }
  for (int lane = 0; lane < 8; ++lane) {
    const auto before = static_cast<float>(all.count);
    all.count += lanes.count;
    const float share = all.count == 0 ? 0.0f : static_cast<float>(lanes.count) / static_cast<float>(all.count);
    for (size_t r = 0; r < kRows; ++r) {
      const float delta = lanes.mean[r][lane] - all.mean[r];
      all.mean[r] = fused(share, delta, all.mean[r]);
      all.squares[r] += fused(delta * delta * share, before, lanes.squares[r][lane]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) to[r] = {all.mean[r], all.squares[r] / static_cast<float>(width)};
}

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_ROW_MOMENTS_H_
