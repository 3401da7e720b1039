// e^x and 2^x of f32: the power of two next to the result is taken out, by whole exponents or, where a vector register
// can be a table, by sixteenths of one, which leaves a shorter polynomial.

#include <cmath>

#include "compiler/lower/instructions/vector_math.h"

namespace fl::compiler {
namespace {

const Type kF32 = Type::of(Scalar::kF32);
constexpr double kLog2e = 1.44269504088896340736;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kLn2High = 0.693145751953125;  // 16 bits: a product with an exponent is exact
constexpr double kLn2Low = 1.4286068203094172321e-6;
constexpr double kLeastExp = -103.98;  // below, e^x is 0
constexpr int kEntries = 16;           // of the table
constexpr double kToEntries =
    786432;  // 1.5 * 2^19: added to x, it leaves x in sixteenths, whose number is in the low bits

}  // namespace

// Note [Powers of two by table]
// 2^(j/16) for j = 0..15 fills a register, and one instruction looks up 16 of them. With n the nearest sixteenth to
// log2(e^x) what remains is e^r with |r| <= log(2)/32, a polynomial of degree 3, and scalef rounds n down by itself. On
// Zen 4 a strip takes 9 cycles against 13 without the table, on the way to 2 a multiplication counts as much as a
// lookup. The result is at most 1.07 ulp from the true one.
bool VectorMath::has_table() const { return ops_.target_.avx512 && width_ == kEntries; }

std::string VectorMath::scale(const std::string& value, const std::string& exponent) {
  if (has_table()) {
    const std::string name = ops_.module_.fresh();
    ops_.module_.declare(
        "<16 x float> @llvm.x86.avx512.mask.scalef.ps.512(<16 x float>, <16 x float>, <16 x float>, i16, i32)");
    out_.line(name + " = call <16 x float> @llvm.x86.avx512.mask.scalef.ps.512(<16 x float> " + value +
              ", <16 x float> " + exponent + ", <16 x float> zeroinitializer, i16 -1, i32 4)");
    return name;
  }
  // Two steps, so that results which are denormal or overflow come out right.
  const std::string whole = to_int(exponent);
  const std::string half = int_op("ashr", whole, k(1));
  const std::string rest = int_op("sub", whole, half);
  auto power = [this](const std::string& n) { return number(int_op("shl", int_op("add", n, k(127)), k(23))); };
  return mul(mul(value, power(half)), power(rest));
}

// 2^n * (1 + r * slope(r)), where `shifted` is n + kToEntries.
std::string VectorMath::scaled_table(const std::string& shifted, const std::string& n, const std::string& r,
                                     std::initializer_list<double> slope) {
  std::string table;
  for (int entry = 0; entry < kEntries; ++entry)
    table += (entry == 0 ? "<float " : ", float ") + llvm_float(static_cast<float>(std::exp2(entry / 16.0)));
  const std::string power = ops_.module_.fresh();
  ops_.module_.declare("<16 x float> @llvm.x86.avx512.permvar.sf.512(<16 x float>, <16 x i32>)");
  out_.line(power + " = call <16 x float> @llvm.x86.avx512.permvar.sf.512(<16 x float> " + table + ">, <16 x i32> " +
            bits(shifted) + ")");
  return scale(fma(mul(power, r), polynomial(r, slope), power), n);
}

// log(2) is high + low with the high part above it: n of an infinity makes r the difference of two infinities, which is
// NaN, and scalef makes 0 or infinity of that, by the sign of n.
std::string VectorMath::exp_by_table(const std::string& x, const std::string& shifted) {
  constexpr double kHigh = 45427.0 / 65536;
  const std::string n = sub(shifted, c(kToEntries));
  const std::string r = fma(n, c(kHigh - kLn2), fma(n, c(-kHigh), x));
  return scaled_table(shifted, n, r, {1.0 / 6, 0.5, 1});
}

// e^(x - n * log(2)) - 1
std::string VectorMath::exp_less_one(const std::string& x, const std::string& n) {
  std::string r = fma(n, c(-kLn2High), x);
  r = fma(n, c(-kLn2Low), r);
  const std::string p =
      polynomial(r, {0.0013950414722785354, 0.008368897251784801, 0.04166620597243309, 0.166665181517601, 0.5});
  return fma(mul(r, r), p, r);
}

std::string VectorMath::exp_reduced(const std::string& x) {
  if (has_table()) return exp_by_table(x, fma(x, c(kLog2e), c(kToEntries)));
  const std::string n = round_even(mul(x, c(kLog2e)));
  return scale(add(exp_less_one(x, n), c(1)), n);
}

// Below kLeastExp the result is 0. Left to the arithmetic, each such lane would cost an assist of some 75 ns: those
// lanes compute e^0 instead. With the table an infinite n is free of that, so x is multiplied first by what makes an
// infinity of all that is too low, and of much that is too high.
std::string VectorMath::exp(const std::string& x) {
  if (has_table()) {
    constexpr double kFar = -0x1p127 / kLeastExp * 2;
    return exp_by_table(x, fma(mul(x, c(kFar)), c(kLog2e / kFar), c(kToEntries)));
  }
  const std::string under = less(x, c(kLeastExp));
  const std::string top = choose(less(x, c(89), "ogt"), c(89), x);
  return choose(under, c(0), exp_reduced(choose(under, c(0), top)));
}

std::string VectorMath::exp2(const std::string& x) {
  const std::string under = less(x, c(-150));
  const std::string top = choose(less(x, c(129), "ogt"), c(129), x);
  if (has_table()) {
    const std::string safe = choose(under, c(-HUGE_VAL), top);  // whose r is NaN: see exp_by_table
    const std::string shifted = add(safe, c(kToEntries));
    const std::string n = sub(shifted, c(kToEntries));
    return scaled_table(shifted, n, sub(safe, n), {0.05550410866482158, 0.2402265069591007, kLn2});
  }
  const std::string safe = choose(under, c(0), top);
  const std::string n = round_even(safe);
  const std::string r = sub(safe, n);
  const std::string p = polynomial(r, {0.00015473281382583082, 0.0013400405878201127, 0.00961801502853632,
                                       0.05550327152013779, 0.24022650718688965, 0.6931471824645996});
  return choose(under, c(0), scale(fma(r, p, c(1)), n));
}

}  // namespace fl::compiler
