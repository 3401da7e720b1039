// What a softmax makes of a score: two exponentials, and which of them a dtype gets.
//
// Note [As PyTorch rounds]
//  Models are compared with what PyTorch's CPU kernels make of them, and a deep model spreads one last place of one
//  element over all of its result. So where it costs nothing the kernels of this room round as PyTorch's do (torch
//  2.13): attention in bf16 takes its exponential, its blocks of 512 keys and the order in which the matrix product it
//  calls adds on x86-64 without bf16 instructions; layer norm takes its one-pass moments (row_moments.h).
#ifndef FLAGOS_TRANSFORMER_SOFTMAX_WEIGHTS_H_
#define FLAGOS_TRANSFORMER_SOFTMAX_WEIGHTS_H_

#include <cmath>
#include <initializer_list>

#include "transformer/rows.h"
#include "transformer/vector_lanes.h"

namespace fl::transformer {
namespace {

constexpr float kLog2E = 1.4426950408889634f;

// 2^x within 2 units of the last place for x in [-126, 0]; 0 below; NaN stays.
inline Floats power_of_two(Floats x) {
  const Floats rounding = broadcast(12582912.0f);  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Floats bounded = x < -126.0f ? broadcast(-126.0f) : x;
  const Floats shifted = bounded + rounding;
  const Floats r = bounded - (shifted - rounding);  // in [-1/2, 1/2]
  // Taylor's coefficients of 2^r, ln(2)^n / n!; the first term left out is at most 2^-7 * ln(2)^7 / 7! = 1.2e-7.
  Floats p = broadcast(1.5403530393381609e-4f);
  for (const float next : {1.3333558146428443e-3f, 9.6181291076284772e-3f, 5.5504108664821580e-2f,
                           2.4022650695910071e-1f, 6.9314718055994531e-1f, 1.0f})
    p = fused(p, r, broadcast(next));
  const Words exponent = reinterpret_cast<Words>(shifted) << 23;
  const Floats value = reinterpret_cast<Floats>(reinterpret_cast<Words>(p) + exponent);
  return x != x ? x : x < -126.0f ? Floats{} : value;
}

// e^x within 2^-13 of it for x in [-87.3, 0]; 0 below; NaN stays. The bits of a float, as an integer, are nearly its
// logarithm; a cubic of the fraction mends that (Malossi, Ineichen, Bekas and Curioni, "Fast exponential computation on
// SIMD architectures", 2015). The coefficients are PyTorch's, whose e^0 is 0.99995 too.
inline Floats coarse_exponential(Floats x) {
  const Floats log2 = x * kLog2E;
  const Floats fraction = log2 - floor_of(log2);
  Floats p = broadcast(-0.079204240219773236f);
  for (const float next : {-0.22433836478672356f, 0.30354260500649682f, 0.00010703434948458272f})
    p = fused(p, fraction, broadcast(next));
  // 2^23 and 127 * 2^23; far below the least exponent it is out of an integer's range, and not used.
  const Floats bits = fused(log2 - p, broadcast(8388608.0f), broadcast(1065353216.0f));
  const Floats value = reinterpret_cast<Floats>(__builtin_convertvector(bits, Integers));
  return x != x ? x : x < -87.3365402f ? Floats{} : value;
}

// The weight of a score in operands of dtype T, relative to the largest: of((score - largest) * kUnit). kTailByOne:
// keys that do not fill a vector are weighed one by one, more precisely.
template <class T>
struct SoftmaxWeight {
  static constexpr float kUnit = kLog2E;
  static Floats of(Floats exponent) { return power_of_two(exponent); }
  static float of(float exponent) { return power_of_two(broadcast(exponent))[0]; }
  static constexpr bool kTailByOne = false;
  static Floats rounded(Floats weight) { return weight; }
};
template <>
struct SoftmaxWeight<BFloat16> {
  static constexpr float kUnit = 1;
  static Floats of(Floats exponent) { return coarse_exponential(exponent); }
  static float of(float exponent) { return std::exp(exponent); }
  static constexpr bool kTailByOne = true;
  static Floats rounded(Floats weight) { return rounded_to_bf16(weight); }
};

}  // namespace
}  // namespace fl::transformer

#endif  // FLAGOS_TRANSFORMER_SOFTMAX_WEIGHTS_H_
