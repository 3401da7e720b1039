#include "compiler/lower/instructions/vector_math.h"

#include <cmath>

#include "base/text.h"

// The polynomials are least-squares fits, weighted towards the smallest greatest error of the function itself, computed
// with 40 digits over the interval that the range reduction leaves; their error is below a twentieth of an ulp.

namespace fl::compiler {
namespace {

const Type kF32 = Type::of(Scalar::kF32);
const Type kI32 = Type::of(Scalar::kI32);
constexpr double kLog2e = 1.44269504088896340736;
constexpr double kLn2High = 0.693145751953125;  // 16 bits: a product with an exponent is exact
constexpr double kLn2Low = 1.4286068203094172321e-6;

}  // namespace

std::string VectorMath::add(const std::string& a, const std::string& b) {
  return ops_.binary("fadd", kF32, a, b, width_, out_);
}
std::string VectorMath::sub(const std::string& a, const std::string& b) {
  return ops_.binary("fsub", kF32, a, b, width_, out_);
}
std::string VectorMath::mul(const std::string& a, const std::string& b) {
  return ops_.binary("fmul", kF32, a, b, width_, out_);
}
std::string VectorMath::div(const std::string& a, const std::string& b) {
  return ops_.binary("fdiv", kF32, a, b, width_, out_);
}
std::string VectorMath::fma(const std::string& a, const std::string& b, const std::string& addend) {
  return ops_.intrinsic("fma", kF32, {a, b, addend}, width_, out_);
}
std::string VectorMath::abs(const std::string& a) { return ops_.intrinsic("fabs", kF32, {a}, width_, out_); }
std::string VectorMath::with_sign_of(const std::string& magnitude, const std::string& sign) {
  return ops_.intrinsic("copysign", kF32, {magnitude, sign}, width_, out_);
}
std::string VectorMath::less(const std::string& a, const std::string& b, const char* predicate) {
  return ops_.compare("fcmp", predicate, kF32, a, b, width_, out_);
}
std::string VectorMath::choose(const std::string& condition, const std::string& a, const std::string& b) {
  return ops_.select(kF32, condition, a, b, width_, out_);
}
std::string VectorMath::round_even(const std::string& a) {
  return ops_.intrinsic("roundeven", kF32, {a}, width_, out_);
}
std::string VectorMath::bits(const std::string& a) { return ops_.convert("bitcast", kF32, kI32, a, width_, out_); }
std::string VectorMath::number(const std::string& a) { return ops_.convert("bitcast", kI32, kF32, a, width_, out_); }
std::string VectorMath::int_op(const char* instruction, const std::string& a, const std::string& b) {
  return ops_.binary(instruction, kI32, a, b, width_, out_);
}
std::string VectorMath::to_int(const std::string& a) { return ops_.convert("fptosi", kF32, kI32, a, width_, out_); }
std::string VectorMath::to_float(const std::string& a) { return ops_.convert("sitofp", kI32, kF32, a, width_, out_); }

std::string VectorMath::polynomial(const std::string& x, std::initializer_list<double> coefficients) {
  auto next = coefficients.begin();
  std::string value = c(*next++);
  for (; next != coefficients.end(); ++next) value = fma(value, x, c(*next));
  return value;
}

VectorMath::Split VectorMath::split(const std::string& x) {
  const std::string tiny = less(x, c(1.17549435082228750797e-38));
  const std::string normal = choose(tiny, mul(x, c(8388608)), x);
  const std::string raw = bits(normal);
  const std::string e = int_op("ashr", int_op("sub", raw, k(0x3F3504F3)), k(23));
  const std::string mantissa = number(int_op("sub", raw, int_op("shl", e, k(23))));
  const std::string exponent = add(to_float(e), choose(tiny, c(-23), c(0)));
  return {exponent, mantissa, normal};
}

std::string VectorMath::log_mantissa(const std::string& f) {
  const std::string p = polynomial(
      f, {0.0675499364733696, -0.11683069914579391, 0.11888282746076584, -0.12404200434684753, 0.1421932876110077,
          -0.16668079793453217, 0.20002135634422302, -0.25000008940696716, 0.3333331346511841});
  const std::string square = mul(f, f);
  return mul(mul(square, f), p);
}

std::string VectorMath::log_special(const std::string& x, const std::string& result) {
  const std::string infinite = c(HUGE_VAL);
  std::string value = choose(less(x, infinite), result, x);  // +inf and NaN give themselves
  value = choose(less(x, c(0), "oeq"), c(-HUGE_VAL), value);
  return choose(less(x, c(0)), splat_constant("0x7FF8000000000000", Scalar::kF32, false, width_), value);
}

// log(2^exponent * (1 + f))
std::string VectorMath::log_sum(const std::string& exponent, const std::string& f) {
  std::string y = fma(exponent, c(kLn2Low), log_mantissa(f));
  y = fma(mul(f, f), c(-0.5), y);
  return fma(exponent, c(kLn2High), add(f, y));
}

std::string VectorMath::log(const std::string& x) {
  const Split parts = split(x);
  return log_special(x, log_sum(parts.exponent, sub(parts.mantissa, c(1))));
}

// What 1 + x loses by rounding is added where it still counts: to the mantissa's distance from one.
std::string VectorMath::log1p(const std::string& x) {
  const std::string u = add(x, c(1));
  const std::string high = sub(u, c(1));
  const std::string lost = add(sub(x, high), sub(c(1), sub(u, high)));
  const Split parts = split(u);
  const std::string e = ops_.intrinsic("smin", kI32, {to_int(parts.exponent), k(126)}, width_, out_);
  const std::string unit = number(int_op("shl", int_op("sub", k(127), e), k(23)));  // 2^-e
  const std::string f = fma(lost, unit, sub(parts.mantissa, c(1)));
  return choose(less(x, c(0), "oeq"), x, log_special(u, log_sum(parts.exponent, f)));
}

// 2^n * (1 + p) - 1, with 2^(n-1) as the factor, so that results near the greatest number do not overflow too early.
std::string VectorMath::expm1(const std::string& x) {
  const std::string low = choose(less(x, c(-20)), c(-20), x);
  const std::string bounded = choose(less(low, c(89), "ogt"), c(89), low);
  const std::string n = round_even(mul(bounded, c(kLog2e)));
  const std::string p = exp_less_one(bounded, n);
  const std::string half = number(int_op("shl", int_op("add", to_int(n), k(126)), k(23)));
  const std::string far = fma(half, p, sub(half, c(0.5)));
  return choose(less(n, c(0), "oeq"), p, add(far, far));
}

std::string VectorMath::log2(const std::string& x) {
  const Split parts = split(x);
  const std::string f = sub(parts.mantissa, c(1));
  const std::string y = fma(mul(f, f), c(-0.5), log_mantissa(f));
  // log2(e) = 1 + 0.4427: the large part is added last, exactly.
  std::string r = mul(y, c(kLog2e - 1));
  r = fma(f, c(kLog2e - 1), r);
  r = add(add(r, y), f);
  return log_special(x, add(r, parts.exponent));
}

std::string VectorMath::tanh(const std::string& x) {
  const std::string a = abs(x);
  const std::string s = mul(x, x);
  const std::string p = polynomial(s, {0.0021428465843200684, -0.008177261799573898, 0.021700643002986908,
                                       -0.05394675210118294, 0.1333320587873459, -0.3333333134651184});
  const std::string small = fma(mul(x, s), p, x);
  const std::string bounded = choose(less(a, c(10), "ogt"), c(10), a);
  const std::string e = exp_reduced(add(bounded, bounded));
  const std::string large = sub(c(1), div(c(2), add(e, c(1))));
  return choose(less(a, c(0.625)), small, with_sign_of(large, x));
}

// Around the nearest of 0, 1/8, ..., 31/8 the Taylor polynomial of degree 5, whose coefficients come out of registers
// by index. Its error is at most 6e-9, where erf is above 0.07; around 0 it is odd. Derivatives of erf are Hermite
// polynomials times the first one. There the slope's 1 is apart: x + x * 0.128....
std::string VectorMath::erf_by_table(const std::string& x) {
  constexpr int kEntries = 32;
  constexpr int kDegree = 5;
  const std::string a = abs(x);
  const std::string bounded = choose(less(a, c(3.9)), a, choose(less(a, a, "uno"), a, c(3.9)));
  const std::string shifted = fma(bounded, c(8), c(12582912));  // 1.5 * 2^23: the integer is in the low bits
  const std::string index = bits(shifted);
  const std::string h = fma(sub(shifted, c(12582912)), c(-0.125), bounded);
  std::string tables[kDegree + 1][2];
  for (int entry = 0; entry < kEntries; ++entry) {
    const double centre = entry / 8.0;
    const double slope = 2 / std::sqrt(std::acos(-1.0)) * std::exp(-centre * centre);
    double coefficients[kDegree + 1] = {std::erf(centre), slope};
    double before = 0;  // Hermite polynomials of degree n - 2 and n - 1, with alternating signs
    double hermite = 1;
    double factorial = 1;
    for (int n = 2; n <= kDegree; ++n) {
      const double next = -2 * centre * hermite - 2 * (n - 2) * before;
      before = hermite;
      hermite = next;
      factorial *= n;
      coefficients[n] = slope * hermite / factorial;
    }
    if (entry == 0) coefficients[1] -= 1;
    for (int n = 0; n <= kDegree; ++n) {
      std::string& half = tables[n][entry / 16];
      half += (half.empty() ? "<float " : ", float ") + llvm_float(coefficients[n]);
    }
  }
  auto coefficient = [&](int n) {
    ops_.module_.declare("<16 x float> @llvm.x86.avx512.vpermi2var.ps.512(<16 x float>, <16 x i32>, <16 x float>)");
    const std::string name = ops_.module_.fresh();
    out_.line(name + " = call <16 x float> @llvm.x86.avx512.vpermi2var.ps.512(<16 x float> " + tables[n][0] +
              ">, <16 x i32> " + index + ", <16 x float> " + tables[n][1] + ">)");
    return name;
  };
  std::string value = coefficient(kDegree);
  for (int n = kDegree - 1; n >= 1; --n) value = fma(value, h, coefficient(n));
  const std::string first = ops_.compare("icmp", "eq", kI32, index, k(0x4B400000), width_, out_);
  return with_sign_of(fma(value, h, choose(first, h, coefficient(0))), x);
}

std::string VectorMath::erf(const std::string& x) {
  if (ops_.target_.avx512 && width_ == 16) return erf_by_table(x);
  const std::string a = abs(x);
  const std::string s = mul(x, x);
  const std::string p =
      polynomial(s, {8.316671301145107e-05, -0.0008129985653795302, 0.005199904087930918, -0.026858940720558167,
                     0.11283687502145767, -0.37612631916999817, 0.12837916612625122});
  const std::string small = fma(x, p, x);
  const std::string t = choose(less(a, c(4), "ogt"), c(4), a);
  const std::string q =
      polynomial(t, {-4.936712230119156e-06, 4.556298517854884e-05, 4.9678372306516394e-05, -0.0029304062481969595,
                     0.02267453260719776, -0.10526306182146072, -0.6356250643730164, -1.1285518407821655});
  const std::string large = sub(c(1), exp_reduced(mul(t, q)));
  return choose(less(a, c(0.92)), small, with_sign_of(large, x));
}

// pi/2 in three parts is exact enough up to 48000; beyond, one cold function computes the lanes one by one.
std::string VectorMath::circular(const std::string& x, bool sine) {
  const std::string n = round_even(mul(x, c(0.63661977236758134308)));
  std::string r = fma(n, c(-1.5707962512969970703), x);
  r = fma(n, c(-7.5497894158615963534e-8), r);
  r = fma(n, c(-5.3903028581581190529e-15), r);
  const std::string s = mul(r, r);
  const std::string sin_p =
      polynomial(s, {2.7180806227988796e-06, -0.0001983930851565674, 0.008333329111337662, -0.1666666716337204});
  const std::string sin_r = fma(mul(r, s), sin_p, r);
  const std::string cos_p = polynomial(s, {2.4438020773231983e-05, -0.0013887364184483886, 0.04166664555668831});
  const std::string cos_r = fma(mul(s, s), cos_p, fma(s, c(-0.5), c(1)));
  std::string quadrant = to_int(n);
  if (!sine) quadrant = int_op("add", quadrant, k(1));
  const std::string odd = ops_.compare("icmp", "ne", kI32, int_op("and", quadrant, k(1)), k(0), width_, out_);
  const std::string flip = int_op("shl", int_op("and", quadrant, k(2)), k(30));
  const std::string near = number(int_op("xor", bits(choose(odd, cos_r, sin_r)), flip));

  const std::string far = less(abs(x), c(48000), "ogt");
  const std::string vector = llvm_type(kF32, width_);
  const std::string function = formatted("@fl_far_%s_%d", sine ? "sin" : "cos", width_);
  if (!ops_.module_.defined(function)) {
    Stream body;
    const std::string result = ops_.library(sine ? "sinf" : "cosf", kF32, {"%x"}, {kF32}, width_, body);
    ops_.module_.define_once(function, "define internal " + vector + " " + function + "(" + vector +
                                           " %x) noinline cold {\n" + body.text + "  ret " + vector + " " + result +
                                           "\n}\n");
  }
  std::string any = far;
  if (width_ > 1) {
    const std::string packed = ops_.module_.fresh();
    out_.line(packed + formatted(" = bitcast <%d x i1> %s to i%d", width_, far.c_str(), width_));
    any = ops_.module_.fresh();
    out_.line(any + formatted(" = icmp ne i%d %s, 0", width_, packed.c_str()));
  }
  const std::string before = out_.label;
  const std::string slow = ops_.module_.fresh_label();
  const std::string join = ops_.module_.fresh_label();
  out_.line("br i1 " + any + ", label %" + slow + ", label %" + join);
  out_.open(slow);
  const std::string called = ops_.module_.fresh();
  out_.line(called + " = call " + vector + " " + function + "(" + vector + " " + x + ")");
  const std::string chosen = choose(far, called, near);
  out_.line("br label %" + join);
  out_.open(join);
  const std::string result = ops_.module_.fresh();
  out_.line(result + " = phi " + vector + " [ " + near + ", %" + before + " ], [ " + chosen + ", %" + slow + " ]");
  return result;
}

}  // namespace fl::compiler
