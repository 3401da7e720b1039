// Casts of 8-bit floating-point numbers, lane by lane: float8e4nv (E4M3: bias 7, no infinity, NaN is 0x7F) and float8e5
// (E5M2: the upper half of an f16). Narrowing rounds to nearest even and ends at the largest finite number, as
// `cvt.rn.satfinite` of PTX does; NaN stays NaN.

#include <bit>

#include "compiler/lower/instructions/elementwise.h"

namespace fl::compiler {
namespace {

const Type kI8 = Type::of(Scalar::kI8);
const Type kI16 = Type::of(Scalar::kI16);
const Type kI32 = Type::of(Scalar::kI32);
const Type kF16 = Type::of(Scalar::kF16);
const Type kF32 = Type::of(Scalar::kF32);

struct Format {
  int mantissa;  // bits
  int bias;
  int largest;  // the code of the largest finite number
};
constexpr Format kE4M3{3, 7, 0x7E};
constexpr Format kE5M2{2, 15, 0x7B};
constexpr int kNan = 0x7F;  // in both

}  // namespace

std::string Elementwise::from_float8(Scalar from, const std::string& value, int width, Stream& out) {
  auto number = [&](int64_t n) { return integer(n, Scalar::kI16, width); };
  const std::string bits = convert("zext", kI8, kI16, value, width, out);
  if (from == Scalar::kF8E5M2) {
    const std::string half = binary("shl", kI16, bits, number(8), width, out);
    return convert("fpext", kF16, kF32, convert("bitcast", kI16, kF16, half, width, out), width, out);
  }
  // Placed into an f16 its exponent counts 8 too little.
  const std::string code = binary("and", kI16, bits, number(0x7F), width, out);
  const std::string sign =
      binary("shl", kI16, binary("and", kI16, bits, number(0x80), width, out), number(8), width, out);
  const std::string magnitude = binary("shl", kI16, code, number(7), width, out);
  const std::string half = binary("or", kI16, sign, magnitude, width, out);
  const std::string small = convert("fpext", kF16, kF32, convert("bitcast", kI16, kF16, half, width, out), width, out);
  const std::string scaled = binary("fmul", kF32, small, constant(256.0, Scalar::kF32, width), width, out);
  const std::string nan = compare("icmp", "eq", kI16, code, number(kNan), width, out);
  const std::string quiet = splat_constant("0x7FF8000000000000", Scalar::kF32, false, width);
  return select(kF32, nan, quiet, scaled, width, out);
}

std::string Elementwise::to_float8(Scalar to, const std::string& value, int width, Stream& out) {
  const Format format = to == Scalar::kF8E4M3 ? kE4M3 : kE5M2;
  auto number = [&](int64_t n) { return integer(n, Scalar::kI32, width); };
  const std::string all = convert("bitcast", kF32, kI32, value, width, out);
  const std::string magnitude = binary("and", kI32, all, number(0x7FFFFFFF), width, out);
  const std::string sign =
      binary("and", kI32, binary("lshr", kI32, all, number(24), width, out), number(0x80), width, out);

  // Numbers that are normal in the narrow format: rounded in place, the exponent counted anew.
  const int dropped = 23 - format.mantissa;
  const std::string odd =
      binary("and", kI32, binary("lshr", kI32, magnitude, number(dropped), width, out), number(1), width, out);
  const std::string half = binary("add", kI32, odd, number((1 << (dropped - 1)) - 1), width, out);
  const std::string rounded =
      binary("lshr", kI32, binary("add", kI32, magnitude, half, width, out), number(dropped), width, out);
  const std::string normal = binary("sub", kI32, rounded, number((127 - format.bias) << format.mantissa), width, out);

  // Smaller ones: added to a number whose last bit is their unit, the sum's last bits are the code.
  const auto unit = static_cast<uint32_t>(127 + 23 + 1 - format.bias - format.mantissa) << 23;
  const std::string positive = convert("bitcast", kI32, kF32, magnitude, width, out);
  const double magic = std::bit_cast<float>(unit);
  const std::string sum = binary("fadd", kF32, positive, constant(magic, Scalar::kF32, width), width, out);
  const std::string small =
      binary("sub", kI32, convert("bitcast", kF32, kI32, sum, width, out), number(unit), width, out);

  const std::string least = number((127 + 1 - format.bias) << 23);
  const std::string tiny = compare("icmp", "ult", kI32, magnitude, least, width, out);
  std::string code = select(kI32, tiny, small, normal, width, out);
  code = intrinsic("umin", kI32, {code, number(format.largest)}, width, out);
  const std::string nan = compare("icmp", "ugt", kI32, magnitude, number(0x7F800000), width, out);
  code = select(kI32, nan, number(kNan), code, width, out);
  return convert("trunc", kI32, kI8, binary("or", kI32, code, sign, width, out), width, out);
}

// The nearest number, or the one below it in magnitude where the nearest is too large. Bit patterns are ordered like
// magnitudes, infinity above the largest finite number.
std::string Elementwise::toward_zero(const Type& from, const Type& to, const std::string& value, int width,
                                     Stream& out) {
  const std::string nearest = cast_float(from, to, value, width, out);
  const Type bits = Type::of(ttir::bits_of(to.scalar) == 8    ? Scalar::kI8
                             : ttir::bits_of(to.scalar) == 16 ? Scalar::kI16
                                                              : Scalar::kI32);
  const std::string back = cast_float(to, from, nearest, width, out);
  const Type compared = ttir::bits_of(from.scalar) < 32 ? kF32 : from;
  auto size_of = [&](const std::string& number) {
    return intrinsic("fabs", compared, {cast_float(from, compared, number, width, out)}, width, out);
  };
  const std::string larger = compare("fcmp", "ogt", compared, size_of(back), size_of(value), width, out);
  const bool same = llvm_type(to, 1) == llvm_type(bits, 1);
  const std::string pattern = same ? nearest : convert("bitcast", to, bits, nearest, width, out);
  const std::string below = binary("sub", bits, pattern, integer(1, bits.scalar, width), width, out);
  const std::string chosen = select(bits, larger, below, pattern, width, out);
  return same ? chosen : convert("bitcast", bits, to, chosen, width, out);
}

}  // namespace fl::compiler
