// pow of f32 in double precision: |x|^y = 2^(y * log2 |x|), where 33 bits of the logarithm suffice, then C's rules for
// signs, zeros, infinities and NaN.

#include <cmath>

#include "base/text.h"
#include "compiler/lower/instructions/vector_math.h"

namespace fl::compiler {
namespace {

const Type kF32 = Type::of(Scalar::kF32);
const Type kF64 = Type::of(Scalar::kF64);
const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);
constexpr double kLog2e = 1.44269504088896340736;
constexpr int64_t kHalfSquare = 0x3FE6A09E667F3BCD;  // sqrt(1/2)

}  // namespace

std::string VectorMath::pow(const std::string& x, const std::string& y) {
  auto number64 = [this](double value) { return ops_.constant(value, Scalar::kF64, width_); };
  auto integer64 = [this](int64_t value) { return ops_.integer(value, Scalar::kI64, width_); };
  auto float_op = [this](const char* name, const std::string& a, const std::string& b) {
    return ops_.binary(name, kF64, a, b, width_, out_);
  };
  auto whole_op = [this](const char* name, const std::string& a, const std::string& b) {
    return ops_.binary(name, kI64, a, b, width_, out_);
  };
  auto fused = [this](const std::string& a, const std::string& b, const std::string& addend) {
    return ops_.intrinsic("fma", kF64, {a, b, addend}, width_, out_);
  };
  auto cast = [this](const char* name, const Type& from, const Type& to, const std::string& a) {
    return ops_.convert(name, from, to, a, width_, out_);
  };
  auto holds = [this](const char* predicate, const std::string& a, const std::string& b) {
    return ops_.compare("fcmp", predicate, kF64, a, b, width_, out_);
  };
  auto select64 = [this](const std::string& when, const std::string& a, const std::string& b) {
    return ops_.select(kF64, when, a, b, width_, out_);
  };
  auto both = [this](const std::string& a, const std::string& b) {
    return ops_.binary("and", kI1, a, b, width_, out_);
  };

  // log2 |x|: as a double x is never denormal. log(m) = 2 (s + s^3/3 + s^5/5 + ...) with s = (m - 1) / (m + 1).
  const std::string size = cast("fpext", kF32, kF64, abs(x));
  const std::string raw = cast("bitcast", kF64, kI64, size);
  const std::string e = whole_op("ashr", whole_op("sub", raw, integer64(kHalfSquare)), integer64(52));
  const std::string m = cast("bitcast", kI64, kF64, whole_op("sub", raw, whole_op("shl", e, integer64(52))));
  const std::string s = float_op("fdiv", float_op("fsub", m, number64(1)), float_op("fadd", m, number64(1)));
  const std::string square = float_op("fmul", s, s);
  std::string series = number64(2 * kLog2e / 13);
  for (int odd = 11; odd >= 1; odd -= 2) series = fused(series, square, number64(2 * kLog2e / odd));
  std::string logarithm = fused(s, series, cast("sitofp", kI64, kF64, e));
  logarithm = select64(holds("oeq", size, number64(0)), number64(-HUGE_VAL), logarithm);
  logarithm = select64(holds("olt", size, number64(HUGE_VAL)), logarithm, size);  // +inf and NaN are their own

  // 1 to any power is 1, and any number to the power of 0.
  const std::string power = cast("fpext", kF32, kF64, y);
  std::string t = float_op("fmul", power, logarithm);
  t = select64(holds("oeq", logarithm, number64(0)), number64(0), t);
  t = select64(holds("oeq", power, number64(0)), number64(0), t);
  t = select64(holds("olt", t, number64(-160)), number64(-160), t);
  t = select64(holds("ogt", t, number64(140)), number64(140), t);

  // 2^t: the whole part by the low bits of a sum, the rest by Taylor's series.
  const std::string magic = number64(6755399441055744);  // 1.5 * 2^52
  const std::string shifted = float_op("fadd", t, magic);
  const std::string r = float_op("fsub", t, float_op("fsub", shifted, magic));
  double factor = 1;
  double coefficients[9];
  for (int n = 0; n <= 8; ++n) {
    coefficients[n] = factor;
    factor *= std::log(2.0) / (n + 1);
  }
  std::string value = number64(coefficients[8]);
  for (int n = 7; n >= 0; --n) value = fused(value, r, number64(coefficients[n]));
  const std::string shift = whole_op("shl", cast("bitcast", kF64, kI64, shifted), integer64(52));
  value = cast("bitcast", kI64, kF64, whole_op("add", cast("bitcast", kF64, kI64, value), shift));
  value = select64(holds("uno", t, t), t, value);
  std::string result = cast("fptrunc", kF64, kF32, value);

  // A negative base: odd powers keep its sign, powers that are not whole give NaN.
  const std::string whole = less(ops_.intrinsic("trunc", kF32, {y}, width_, out_), y, "oeq");
  const std::string half = mul(y, c(0.5));
  const std::string odd = both(whole, less(ops_.intrinsic("trunc", kF32, {half}, width_, out_), half, "one"));
  result = choose(odd, with_sign_of(result, x), result);
  const std::string negative = both(less(x, c(0)), less(x, c(-HUGE_VAL), "ogt"));
  const std::string broken =
      both(negative, ops_.binary("xor", kI1, whole, splat_constant("true", Scalar::kI1, false, width_), width_, out_));
  return choose(broken, splat_constant("0x7FF8000000000000", Scalar::kF32, false, width_), result);
}

}  // namespace fl::compiler
