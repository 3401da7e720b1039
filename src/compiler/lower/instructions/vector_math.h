// Elementary functions of f32 as inline instructions: range reduction, a polynomial, reconstruction. At most 2 ulp from
// the true value over the whole range, special values as in C. Works for any width; nothing is called but one cold
// scalar loop for arguments of sin and cos beyond 48000.
#ifndef FLAGOS_COMPILER_LOWER_INSTRUCTIONS_VECTOR_MATH_H_
#define FLAGOS_COMPILER_LOWER_INSTRUCTIONS_VECTOR_MATH_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "compiler/lower/instructions/elementwise.h"

namespace fl::compiler {

class VectorMath {
 public:
  VectorMath(Elementwise& ops, int width, Stream& out) : ops_(ops), width_(width), out_(out) {}

  std::string exp(const std::string& x);   // vector_exp.cc
  std::string exp2(const std::string& x);  // vector_exp.cc
  std::string log(const std::string& x);
  std::string log2(const std::string& x);
  std::string log1p(const std::string& x);
  std::string expm1(const std::string& x);
  std::string pow(const std::string& x, const std::string& y);  // vector_pow.cc
  std::string tanh(const std::string& x);
  std::string erf(const std::string& x);
  std::string sin(const std::string& x) { return circular(x, true); }
  std::string cos(const std::string& x) { return circular(x, false); }

 private:
  std::string c(double value) { return ops_.constant(value, Scalar::kF32, width_); }
  std::string k(int64_t value) { return ops_.integer(value, Scalar::kI32, width_); }
  std::string add(const std::string& a, const std::string& b);
  std::string sub(const std::string& a, const std::string& b);
  std::string mul(const std::string& a, const std::string& b);
  std::string div(const std::string& a, const std::string& b);
  std::string fma(const std::string& a, const std::string& b, const std::string& addend);
  std::string abs(const std::string& a);
  std::string with_sign_of(const std::string& magnitude, const std::string& sign);
  std::string less(const std::string& a, const std::string& b, const char* predicate = "olt");
  std::string choose(const std::string& condition, const std::string& a, const std::string& b);
  std::string round_even(const std::string& a);
  std::string bits(const std::string& a);
  std::string number(const std::string& integer);
  std::string int_op(const char* instruction, const std::string& a, const std::string& b);
  std::string to_int(const std::string& a);
  std::string to_float(const std::string& a);
  // Coefficients from the highest power down.
  std::string polynomial(const std::string& x, std::initializer_list<double> coefficients);

  // vector_exp.cc
  bool has_table() const;                         // see Note [Powers of two by table]
  std::string exp_reduced(const std::string& x);  // e^x without the guards
  std::string exp_less_one(const std::string& x, const std::string& n);
  std::string exp_by_table(const std::string& x, const std::string& shifted);
  std::string scaled_table(const std::string& shifted, const std::string& n, const std::string& r,
                           std::initializer_list<double> slope);
  // value * 2^exponent, exponent a whole float; where there is a table, it is rounded down to one
  std::string scale(const std::string& value, const std::string& exponent);

  struct Split {
    std::string exponent;  // a float
    std::string mantissa;  // in [sqrt(1/2), sqrt(2))
    std::string normal;    // x, denormals scaled
  };
  Split split(const std::string& x);
  std::string log_mantissa(const std::string& f);  // log(1 + f) - f + f^2 / 2
  std::string log_sum(const std::string& exponent, const std::string& f);
  std::string erf_by_table(const std::string& x);
  std::string log_special(const std::string& x, const std::string& result);
  std::string circular(const std::string& x, bool sine);

  Elementwise& ops_;
  int width_;
  Stream& out_;
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_INSTRUCTIONS_VECTOR_MATH_H_
