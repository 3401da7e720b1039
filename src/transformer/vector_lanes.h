// The vector type of a code path, as the compiler's own extension: one source for every width.
#ifndef FLAGOS_TRANSFORMER_VECTOR_LANES_H_
#define FLAGOS_TRANSFORMER_VECTOR_LANES_H_

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

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

typedef uint32_t Words __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef uint16_t Shorts __attribute__((vector_size(kLanes * sizeof(uint16_t))));

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
    const Words bits = reinterpret_cast<Words>(vector);
    const Words number = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const Words rounded = (bits & 0x7fffffff) > 0x7f800000 ? Words{} + 0x7fc0 : number;
    const Shorts shorts = __builtin_convertvector(rounded, Shorts);
    std::memcpy(to, &shorts, sizeof shorts);
  } else {
    float lanes[kLanes];
    store(lanes, vector);
    for (int i = 0; i < kLanes; ++i) to[i] = fl::random::rounded<T>(lanes[i]);
  }
}

inline float sum_lanes(Floats vector) {
  float lanes[kLanes], total = 0;
  store(lanes, vector);
  for (float lane : lanes) total += lane;
  return total;
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
