// The vector type of a code path, as the compiler's own extension: one source for every width.
#ifndef FLAGOS_TRANSFORMER_VECTOR_LANES_H_
#define FLAGOS_TRANSFORMER_VECTOR_LANES_H_

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>

#include "random/element.h"

namespace fl::transformer {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));

inline Floats load(const float* from) {
  Floats vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}
inline void store(float* to, Floats vector) { std::memcpy(to, &vector, sizeof vector); }
inline Floats broadcast(float value) { return Floats{} + value; }

// a * b + c, rounded once where the code path has an instruction for it. Elsewhere the room's sums of products are
// rounded twice, as they are written (-ffp-contract=off): which of them a compiler would fuse is its own affair.
inline float fused(float a, float b, float c) {
#if defined(__FP_FAST_FMAF)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
// The same in each lane of a vector of any length.
template <class Vector>
inline Vector fused(Vector a, Vector b, Vector c) {
#if defined(__AVX512F__)
  if constexpr (sizeof(Vector) == sizeof(__m512))
    return reinterpret_cast<Vector>(
        _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#endif
#if defined(__FMA__)
  if constexpr (sizeof(Vector) == sizeof(__m256))
    return reinterpret_cast<Vector>(
        _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#endif
  for (size_t i = 0; i < sizeof(Vector) / sizeof(float); ++i) c[i] = fused(a[i], b[i], c[i]);
  return c;
}

typedef uint32_t Words __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef int32_t Integers __attribute__((vector_size(kLanes * sizeof(int32_t))));
typedef uint16_t Shorts __attribute__((vector_size(kLanes * sizeof(uint16_t))));

inline Floats floor_of(Floats vector) {
#if defined(__AVX512F__)
  return reinterpret_cast<Floats>(_mm512_floor_ps(reinterpret_cast<__m512>(vector)));
#elif defined(__AVX__)
  return reinterpret_cast<Floats>(_mm256_floor_ps(reinterpret_cast<__m256>(vector)));
#else
  for (int i = 0; i < kLanes; ++i) vector[i] = std::floor(vector[i]);
  return vector;
#endif
}

// Rounded to the nearest bf16, ties to even; NaN stays one.
inline Words bf16_bits(Floats vector) {
  const Words bits = reinterpret_cast<Words>(vector);
  const Words number = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return (bits & 0x7fffffff) > 0x7f800000 ? Words{} + 0x7fc0 : number;
}
inline Floats rounded_to_bf16(Floats vector) { return reinterpret_cast<Floats>(bf16_bits(vector) << 16); }

// kLanes elements as floats, and back, rounded as fl::random::rounded does; but the CPU's own instruction for bf16,
// where it has one, makes 0 of numbers below 2^-126.
template <class T>
inline Floats load_as_floats(const T* from) {
  if constexpr (std::is_same_v<T, float>) {
    return load(from);
  } else if constexpr (std::is_same_v<T, fl::random::BFloat16>) {
    Shorts shorts;
    std::memcpy(&shorts, from, sizeof shorts);
    return reinterpret_cast<Floats>(__builtin_convertvector(shorts, Words) << 16);
  } else {
    float lanes[kLanes];
    for (int i = 0; i < kLanes; ++i) lanes[i] = fl::random::widened(from[i]);
    return load(lanes);
  }
}
template <class T>
inline void store_rounded(T* to, Floats vector) {
  if constexpr (std::is_same_v<T, float>) {
    store(to, vector);
#if defined(__AVX512BF16__)
  } else if constexpr (std::is_same_v<T, fl::random::BFloat16>) {
    const __m256bh shorts = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(vector));
    std::memcpy(to, &shorts, sizeof shorts);
#endif
  } else if constexpr (std::is_same_v<T, fl::random::BFloat16>) {
    const Shorts shorts = __builtin_convertvector(bf16_bits(vector), Shorts);
    std::memcpy(to, &shorts, sizeof shorts);
  } else {
    float lanes[kLanes];
    store(lanes, vector);
    for (int i = 0; i < kLanes; ++i) to[i] = fl::random::rounded<T>(lanes[i]);
  }
}

// kLanes values in bf16, the two of each pair in each other's place.
inline void store_rounded_pairs(uint16_t* to, Floats vector) {
  typedef uint32_t Pairs __attribute__((vector_size(kLanes * sizeof(uint16_t))));
  alignas(sizeof(Pairs)) fl::random::BFloat16 rounded[kLanes];
  store_rounded(rounded, vector);
  Pairs pairs;
  std::memcpy(&pairs, rounded, sizeof pairs);
  pairs = pairs << 16 | pairs >> 16;
  std::memcpy(to, &pairs, sizeof pairs);
}

// The lower half of the lanes plus the upper half, until one is left.
inline float sum_by_halves(Floats vector) {
  float lanes[kLanes];
  store(lanes, vector);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

// Sums and maxima of long rows are kept in this many partial ones, so that the loops over them are vectors.
constexpr int64_t kPartial = 64;

inline float sum(const float* partial) {
  float lanes[16] = {};
  for (int64_t i = 0; i < kPartial; ++i) lanes[i % 16] += partial[i];
  float total = 0;
  for (float lane : lanes) total += lane;
  return total;
}

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_VECTOR_LANES_H_
