// The vector type of a code path, as the compiler's own extension: one source for every width.
#ifndef FLAGOS_TRANSFORMER_VECTOR_LANES_H_
#define FLAGOS_TRANSFORMER_VECTOR_LANES_H_

#include <cstdint>
#include <cstring>

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
