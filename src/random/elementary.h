// The elementary functions that the distributions need, in float and double, without branches, tables or library calls,
// so that loops over them vectorise and every code path gives the same bits.
//
// The polynomials interpolate at Chebyshev nodes; the degree is the least whose error is below half a unit in the last
// place. Errors, measured against long double by tests/random/elementary_test.cc, in such units: sine, cosine and
// exponential 2; minus_log 2.5 and tangent_of_turn 4.5, rounding of the word to a number included.
// No fused multiply-adds: a CPU without them could not give the same result.
#ifndef FLAGOS_RANDOM_ELEMENTARY_H_
#define FLAGOS_RANDOM_ELEMENTARY_H_

#include "random/element.h"

namespace fl::random {
namespace {

template <class Real>
constexpr Real kPiQuarter = static_cast<Real>(0.78539816339744830962);

// c[0] + c[1] x + ..., by Horner's rule.
template <class Real, int kCount>
inline Real polynomial(const Real (&c)[kCount], Real x) {
  Real sum = c[kCount - 1];
#pragma GCC unroll 16
  for (int i = kCount - 2; i >= 0; --i) sum = sum * x + c[i];
  return sum;
}

// An integer below 2^52 as a double, by placing it in the fraction of 2^52: no conversion of 64-bit integers exists
// below AVX-512.
inline double double_from(uint64_t integer) { return double_of(integer | bits_of(0x1p52)) - 0x1p52; }

// -ln u, u = (t + 1/2) / 2^31, t the upper 31 bits of the word. u is uniform on the open interval (0, 1), and the
// result lies in [2^-32, 22.2]: near u = 1 it comes from 1 - u, which is exact, so small results are as precise as
// large ones.
inline float minus_log(uint32_t word) {
  constexpr float kCoefficients[] = {-4.999999702e-01f, 3.333333135e-01f,  -2.500078082e-01f,
                                     2.000123411e-01f,  -1.662664562e-01f, 1.420485526e-01f,
                                     -1.312755495e-01f, 1.272267252e-01f,  -7.673641294e-02f};
  constexpr uint32_t kRootHalf = 0x3f3504f3;  // the bits of sqrt(1/2)
  const int32_t t = static_cast<int32_t>(word >> 1);
  const float x = static_cast<float>(t) + 0.5f;
  const uint32_t shifted = bits_of(x) + (0x3f800000 - kRootHalf);
  const int32_t halvings = 127 + 31 - static_cast<int32_t>(shifted >> 23);  // u = m / 2^halvings, m near 1
  const float m = float_of((shifted & 0x7fffff) + kRootHalf);
  const float complement = (static_cast<float>(0x7fffffff - t) + 0.5f) * 0x1p-31f;
  const float f = halvings == 0 ? -complement : m - 1.0f;
  const float log1p = f + f * f * polynomial(kCoefficients, f);
  const float k = static_cast<float>(halvings);
  return k * 6.9314575195e-01f + (k * 1.4286068203e-06f - log1p);
}

// The same from the upper 52 bits; the result lies in [2^-53, 36.8].
inline double minus_log(uint64_t word) {
  // ln(1 + f) = 2 artanh(s), s = f / (2 + f); the polynomial is in s^2.
  constexpr double kCoefficients[] = {6.66666666666666963e-01, 3.99999999998995048e-01, 2.85714286259754868e-01,
                                      2.22222111347950807e-01, 1.81828891252617225e-01, 1.53317216005560419e-01,
                                      1.46164496850434061e-01};
  constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcd, kFraction = (uint64_t{1} << 52) - 1;
  const uint64_t t = word >> 12;
  const double x = double_from(t) + 0.5;
  const uint64_t shifted = bits_of(x) + (0x3ff0000000000000 - kRootHalf);
  const uint64_t halvings = 1023 + 52 - (shifted >> 52);
  const double m = double_of((shifted & kFraction) + kRootHalf);
  const double complement = (double_from(kFraction - t) + 0.5) * 0x1p-52;
  const double f = halvings == 0 ? -complement : m - 1.0;
  const double s = f / (2.0 + f), z = s * s, half_square = 0.5 * f * f;
  const double log1p = f - (half_square - s * (half_square + z * polynomial(kCoefficients, z)));
  const double k = double_from(halvings);
  return k * 6.93147180485539138317e-01 + (k * 7.440617110012397e-11 - log1p);
}

// sin and cos of |x| <= pi/4.
inline float sine(float x) {
  constexpr float kCoefficients[] = {-1.666666418e-01f, 8.332747966e-03f, -1.958789071e-04f};
  return x + x * (x * x) * polynomial(kCoefficients, x * x);
}
inline float cosine(float x) {
  constexpr float kCoefficients[] = {4.166666418e-02f, -1.388830249e-03f, 2.454794230e-05f};
  const float z = x * x;
  return 1.0f - (0.5f * z - z * z * polynomial(kCoefficients, z));
}
inline double sine(double x) {
  constexpr double kCoefficients[] = {-1.66666666666666657e-01, 8.33333333333094797e-03,  -1.98412698367585736e-04,
                                      2.75573161025524389e-06,  -2.50511318450036243e-08, 1.59181292948666079e-10};
  return x + x * (x * x) * polynomial(kCoefficients, x * x);
}
inline double cosine(double x) {
  constexpr double kCoefficients[] = {4.16666666666666644e-02,  -1.38888888888873976e-03, 2.48015872987656891e-05,
                                      -2.75573172717297931e-07, 2.08761462684031992e-09,  -1.13826324255217172e-11};
  const double z = x * x;
  return 1.0 - (0.5 * z - z * z * polynomial(kCoefficients, z));
}

// The two coordinates of a point on the unit circle, uniform: the upper two bits choose which coordinate is the long
// one and its sign, the others the angle to that axis, in [-pi/4, pi/4).
template <class Real>
struct Direction {
  Real x, y;
};

inline Direction<float> direction(uint32_t word) {
  const float angle = static_cast<float>(static_cast<int32_t>(word << 2)) * (kPiQuarter<float> * 0x1p-31f);
  const float along = float_of(bits_of(cosine(angle)) | (word & 0x80000000)), across = sine(angle);
  const bool swap = (word & 0x40000000) != 0;
  return {swap ? across : along, swap ? along : across};
}
inline Direction<double> direction(uint64_t word) {
  const double angle = (double_from(word << 2 >> 12) - 0x1p51) * (kPiQuarter<double> * 0x1p-51);
  const double along = double_of(bits_of(cosine(angle)) | (word & 0x8000000000000000)), across = sine(angle);
  const bool swap = (word & 0x4000000000000000) != 0;
  return {swap ? across : along, swap ? along : across};
}

// tan(pi * (u - 1/2)), u = (w + 1/2) / 2^bits: the sign bit, then the distance from 0 or from the pole, whichever is
// less, so that both are exact. Finite.
inline float tangent_of_turn(uint32_t word) {
  const uint32_t magnitude = word & 0x7fffffff;
  const bool pole = magnitude >= 0x40000000;
  const float distance = static_cast<float>(static_cast<int32_t>(pole ? 0x7fffffff - magnitude : magnitude)) + 0.5f;
  const float x = distance * (kPiQuarter<float> * 0x1p-30f);
  const float s = sine(x), c = cosine(x);
  return float_of(bits_of((pole ? c : s) / (pole ? s : c)) | (word & 0x80000000));
}
inline double tangent_of_turn(uint64_t word) {
  const uint64_t magnitude = word << 1 >> 12;
  const bool pole = magnitude >= uint64_t{1} << 51;
  const double distance = double_from(pole ? (uint64_t{1} << 52) - 1 - magnitude : magnitude) + 0.5;
  const double x = distance * (kPiQuarter<double> * 0x1p-51);
  const double s = sine(x), c = cosine(x);
  return double_of(bits_of((pole ? c : s) / (pole ? s : c)) | (word & 0x8000000000000000));
}

// e^x, with overflow to infinity and gradual underflow; a NaN stays one. The power of two is applied in two factors, so
// that neither is out of range before the product is.
inline float exponential(float x) {
  constexpr float kCoefficients[] = {5.000000000e-01f, 1.666666716e-01f, 4.166646674e-02f,
                                     8.333310485e-03f, 1.393364975e-03f, 1.989099110e-04f};
  constexpr float kRound = 0x1.8p23f;  // adding and subtracting it rounds to an integer
  const float bounded = x > 90.0f ? 90.0f : x < -110.0f ? -110.0f : x;
  const float shifted = bounded * 1.44269504f + kRound, k = shifted - kRound;
  const float r = (bounded - k * 6.9314575195e-01f) - k * 1.4286068203e-06f;
  const float mantissa = 1.0f + (r + r * r * polynomial(kCoefficients, r));
  const uint32_t power = bits_of(shifted) - bits_of(kRound) + 254;  // k + 2 * 127
  const uint32_t lower = power >> 1;
  return mantissa * float_of(lower << 23) * float_of((power - lower) << 23);
}
inline double exponential(double x) {
  constexpr double kCoefficients[] = {5.00000000000000000e-01, 1.66666666666666713e-01, 4.16666666666666713e-02,
                                      8.33333333332613585e-03, 1.38888888888837481e-03, 1.98412698748206266e-04,
                                      2.48015873255477427e-05, 2.75572554002064223e-06, 2.75572736431102974e-07,
                                      2.51052170047207447e-08, 2.09146869680868758e-09};
  constexpr double kRound = 0x1.8p52;
  const double bounded = x > 710.0 ? 710.0 : x < -750.0 ? -750.0 : x;
  const double shifted = bounded * 1.44269504088896340736 + kRound, k = shifted - kRound;
  const double r = (bounded - k * 6.93147180485539138317e-01) - k * 7.440617110012397e-11;
  const double mantissa = 1.0 + (r + r * r * polynomial(kCoefficients, r));
  const uint64_t power = bits_of(shifted) - bits_of(kRound) + 2046;
  const uint64_t lower = power >> 1;
  return mantissa * double_of(lower << 52) * double_of((power - lower) << 52);
}

// The least integer not below x >= 0.
inline float ceiling(float x) {
  const float near = (x + 0x1p23f) - 0x1p23f, up = near < x ? near + 1.0f : near;
  return x < 0x1p23f ? up : x;
}
inline double ceiling(double x) {
  const double near = (x + 0x1p52) - 0x1p52, up = near < x ? near + 1.0 : near;
  return x < 0x1p52 ? up : x;
}

}  // namespace
}  // namespace fl::random

#endif  // FLAGOS_RANDOM_ELEMENTARY_H_
