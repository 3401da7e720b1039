#include "compiler/lower/instructions/elementwise.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "compiler/lower/instructions/vector_math.h"
#include "compiler/ttir/float_bits.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;

const Type kF32 = Type::of(Scalar::kF32);
const Type kF64 = Type::of(Scalar::kF64);
const Type kI1 = Type::of(Scalar::kI1);
const Type kI32 = Type::of(Scalar::kI32);
const Type kI16 = Type::of(Scalar::kI16);

bool is_narrow_float(const Type& type) { return type.holds_float() && ttir::bits_of(type.scalar) == 16; }

std::string suffix(const Type& element, int width) {
  const std::string name = element.holds_float() ? std::string(ttir::name_of(element.scalar))
                                                 : "i" + std::to_string(ttir::bits_of(element.scalar));
  return width == 1 ? name : formatted("v%d%s", width, name.c_str());
}

// A scalar integer of another width, where it is known: a stride of one must be seen to be one after it was widened.
std::optional<std::string> converted_constant(std::string_view instruction, const Type& from, const Type& to,
                                              const std::string& value) {
  if (!from.holds_integer() || !to.holds_integer() || from.scalar == Scalar::kI1 || !is_constant(value)) return {};
  int64_t number = 0;
  if (std::from_chars(value.data(), value.data() + value.size(), number).ec != std::errc()) return {};
  auto bits = static_cast<uint64_t>(number);
  if (instruction == "zext") {
    bits &= ~uint64_t{0} >> (64 - ttir::bits_of(from.scalar));
  } else if (instruction != "sext" && instruction != "trunc") {
    return {};
  }
  if (to.scalar == Scalar::kI1) bits &= 1;
  return llvm_constant(bits, to.scalar);
}

}  // namespace

std::string Elementwise::constant(double value, Scalar scalar, int width) {
  return splat_constant(llvm_float(value, scalar), scalar, false, width);
}

std::string Elementwise::integer(int64_t value, Scalar scalar, int width) {
  return splat_constant(llvm_constant(static_cast<uint64_t>(value), scalar), scalar, false, width);
}

std::string Elementwise::binary(const char* instruction, const Type& element, const std::string& a,
                                const std::string& b, int width, Stream& out) {
  const std::string name = module_.fresh();
  out.line(name + " = " + instruction + " " + llvm_type(element, width) + " " + a + ", " + b);
  return name;
}

std::string Elementwise::intrinsic(const char* intrinsic_name, const Type& element,
                                   const std::vector<std::string>& operands, int width, Stream& out) {
  const std::string type = llvm_type(element, width);
  const std::string function = std::string("@llvm.") + intrinsic_name + "." + suffix(element, width);
  std::string parameters;
  std::string arguments;
  for (const std::string& operand : operands) {
    parameters += (parameters.empty() ? "" : ", ") + type;
    arguments += (arguments.empty() ? "" : ", ") + type + " " + operand;
  }
  module_.declare(type + " " + function + "(" + parameters + ")");
  const std::string name = module_.fresh();
  out.line(name + " = call " + type + " " + function + "(" + arguments + ")");
  return name;
}

std::string Elementwise::convert(const char* instruction, const Type& from, const Type& to, const std::string& value,
                                 int width, Stream& out) {
  if (width == 1) {
    if (auto constant = converted_constant(instruction, from, to, value)) return *constant;
  }
  const std::string name = module_.fresh();
  out.line(name + " = " + instruction + " " + llvm_type(from, width) + " " + value + " to " + llvm_type(to, width));
  return name;
}

std::string Elementwise::compare(const char* instruction, const std::string& predicate, const Type& element,
                                 const std::string& a, const std::string& b, int width, Stream& out) {
  const std::string name = module_.fresh();
  out.line(name + " = " + instruction + " " + predicate + " " + llvm_type(element, width) + " " + a + ", " + b);
  return name;
}

std::string Elementwise::select(const Type& element, const std::string& condition, const std::string& a,
                                const std::string& b, int width, Stream& out) {
  const std::string name = module_.fresh();
  const std::string type = llvm_type(element, width);
  out.line(name + " = select " + llvm_type(kI1, width) + " " + condition + ", " + type + " " + a + ", " + type + " " +
           b);
  return name;
}

// Between floating types. bf16 is the upper half of f32: widening is a shift, narrowing rounds to nearest even by
// integer arithmetic, which keeps denormals (vcvtneps2bf16 does not) and quiets NaN.
std::string Elementwise::cast_float(const Type& from, const Type& to, const std::string& value, int width,
                                    Stream& out) {
  if (from == to) return value;
  if (ttir::bits_of(from.scalar) == 8)
    return cast_float(kF32, to, from_float8(from.scalar, value, width, out), width, out);
  if (ttir::bits_of(to.scalar) == 8) return to_float8(to.scalar, cast_float(from, kF32, value, width, out), width, out);
  if (from.scalar == Scalar::kBF16) {
    const std::string wide = convert("zext", kI16, kI32, value, width, out);
    const std::string high = binary("shl", kI32, wide, integer(16, Scalar::kI32, width), width, out);
    return cast_float(kF32, to, convert("bitcast", kI32, kF32, high, width, out), width, out);
  }
  if (from.scalar == Scalar::kF64 && ttir::bits_of(to.scalar) == 16) {
    return cast_float(kF32, to, convert("fptrunc", from, kF32, value, width, out), width, out);
  }
  if (to.scalar == Scalar::kBF16 && from.scalar == Scalar::kF16) {
    return cast_float(kF32, to, convert("fpext", from, kF32, value, width, out), width, out);
  }
  if (to.scalar == Scalar::kBF16) {
    const std::string bits = convert("bitcast", kF32, kI32, value, width, out);
    const std::string upper = binary("lshr", kI32, bits, integer(16, Scalar::kI32, width), width, out);
    const std::string odd = binary("and", kI32, upper, integer(1, Scalar::kI32, width), width, out);
    const std::string half = binary("add", kI32, odd, integer(0x7FFF, Scalar::kI32, width), width, out);
    const std::string sum = binary("add", kI32, bits, half, width, out);
    const std::string rounded = binary("lshr", kI32, sum, integer(16, Scalar::kI32, width), width, out);
    const std::string quiet = binary("or", kI32, upper, integer(0x40, Scalar::kI32, width), width, out);
    const std::string nan = compare("fcmp", "uno", kF32, value, value, width, out);
    const std::string chosen = select(kI32, nan, quiet, rounded, width, out);
    return convert("trunc", kI32, kI16, chosen, width, out);
  }
  return convert(ttir::bits_of(to.scalar) > ttir::bits_of(from.scalar) ? "fpext" : "fptrunc", from, to, value, width,
                 out);
}

// Integer division that cannot trap: a divisor of 0 or -1 is replaced by 1, and -1 is then answered by negation. 32
// bits and less go through f64, whose quotient, truncated, is exact for them; the CPU has no vector division of
// integers.
std::string Elementwise::divide(const Operation& op, const std::vector<std::string>& operands, int width, Stream& out) {
  const Type element = op.result()->type.element();
  const bool is_signed =
      op.op == Op::kDivSI || op.op == Op::kRemSI || op.op == Op::kCeilDivSI || op.op == Op::kFloorDivSI;
  const std::string& n = operands[0];
  std::string d = operands[1];
  const std::string one = integer(1, element.scalar, width);
  const std::string zero = integer(0, element.scalar, width);
  std::string negated_when;
  const bool safe = is_constant(d) && d != zero && d != integer(-1, element.scalar, width);
  if (!safe) {
    std::string bad = compare("icmp", "eq", element, d, zero, width, out);
    if (is_signed) {
      negated_when = compare("icmp", "eq", element, d, integer(-1, element.scalar, width), width, out);
      bad = binary("or", kI1, bad, negated_when, width, out);
    }
    d = select(element, bad, one, d, width, out);
  }
  std::string quotient;
  if (width > 1 && ttir::bits_of(element.scalar) <= 32 && !(safe && is_constant(d))) {
    const char* up = is_signed ? "sitofp" : "uitofp";
    const char* down = is_signed ? "fptosi" : "fptoui";
    const std::string ratio = binary("fdiv", kF64, convert(up, element, kF64, n, width, out),
                                     convert(up, element, kF64, d, width, out), width, out);
    quotient = convert(down, kF64, element, ratio, width, out);
  } else {
    quotient = binary(is_signed ? "sdiv" : "udiv", element, n, d, width, out);
  }
  if (!negated_when.empty()) {
    quotient = select(element, negated_when, binary("sub", element, zero, n, width, out), quotient, width, out);
  }
  if (op.op == Op::kDivSI || op.op == Op::kDivUI) return quotient;
  const std::string rest =
      binary("sub", element, n, binary("mul", element, quotient, operands[1], width, out), width, out);
  if (op.op == Op::kRemSI || op.op == Op::kRemUI) return rest;
  // Truncated so far: step away from zero where a rest is left on the wanted side.
  const std::string left = compare("icmp", "ne", element, rest, zero, width, out);
  const std::string sides = binary("xor", element, n, operands[1], width, out);
  const std::string apart = compare("icmp", op.op == Op::kFloorDivSI ? "slt" : "sge", element, sides, zero, width, out);
  const std::string step = binary("and", kI1, left, apart, width, out);
  const std::string by =
      select(element, step, integer(op.op == Op::kFloorDivSI ? -1 : 1, element.scalar, width), zero, width, out);
  return binary("add", element, quotient, by, width, out);
}

std::string Elementwise::to_integer(const Type& from, const Type& to, bool is_signed, const std::string& value,
                                    int width, Stream& out) {
  const char* instruction = is_signed ? "fptosi" : "fptoui";
  if (is_narrow_float(from))
    return to_integer(kF32, to, is_signed, cast_float(from, kF32, value, width, out), width, out);
  if (ttir::bits_of(to.scalar) >= 32) return convert(instruction, from, to, value, width, out);
  // Through i32, so that what does not fit wraps instead of being undefined.
  const std::string wide = convert("fptosi", from, kI32, value, width, out);
  return convert("trunc", kI32, to, wide, width, out);
}

std::string Elementwise::cast(const Operation& op, const std::string& value, int width, Stream& out) {
  const Type from = op.operands[0]->type.element();
  const Type to = op.result()->type.element();
  switch (op.op) {
    case Op::kExtSI:
      return convert("sext", from, to, value, width, out);
    case Op::kExtUI:
      return convert("zext", from, to, value, width, out);
    case Op::kTruncI:
      return convert("trunc", from, to, value, width, out);
    case Op::kExtF:
    case Op::kTruncF:
    case Op::kFpToFp:
      if (op.word("rounding") == "rtz") return toward_zero(from, to, value, width, out);
      return cast_float(from, to, value, width, out);
    case Op::kSIToFP:
    case Op::kUIToFP: {
      const char* instruction = op.op == Op::kSIToFP ? "sitofp" : "uitofp";
      if (!is_narrow_float(to)) return convert(instruction, from, to, value, width, out);
      return cast_float(kF32, to, convert(instruction, from, kF32, value, width, out), width, out);
    }
    case Op::kFPToSI:
      return to_integer(from, to, true, value, width, out);
    case Op::kFPToUI:
      return to_integer(from, to, false, value, width, out);
    default: {  // bits stay as they are
      if (llvm_type(from, 1) == llvm_type(to, 1)) return value;
      return convert("bitcast", from, to, value, width, out);
    }
  }
}

// Operations whose operands and result are one floating type of 32 or 64 bits, or integers.
std::string Elementwise::emit_wide(Op op, const Operation& source, const Type& element,
                                   const std::vector<std::string>& operands, int width, Stream& out) {
  VectorMath math(*this, width, out);
  const bool single = element.scalar == Scalar::kF32;
  switch (op) {
    case Op::kAddF:
      return binary("fadd", element, operands[0], operands[1], width, out);
    case Op::kSubF:
      return binary("fsub", element, operands[0], operands[1], width, out);
    case Op::kMulF:
      return binary("fmul", element, operands[0], operands[1], width, out);
    case Op::kDivF:
    case Op::kPreciseDivF:
      return binary("fdiv", element, operands[0], operands[1], width, out);
    case Op::kRemF:
      return binary("frem", element, operands[0], operands[1], width, out);
    case Op::kNegF: {
      const std::string name = module_.fresh();
      out.line(name + " = fneg " + llvm_type(element, width) + " " + operands[0]);
      return name;
    }
    case Op::kMaxNumF:
      return intrinsic("maxnum", element, operands, width, out);
    case Op::kMinNumF:
      return intrinsic("minnum", element, operands, width, out);
    case Op::kMaximumF:
      return intrinsic("maximum", element, operands, width, out);
    case Op::kMinimumF:
      return intrinsic("minimum", element, operands, width, out);
    case Op::kClampF: {
      const bool all = source.word("propagateNan") == "all";
      const std::string low = intrinsic(all ? "maximum" : "maxnum", element, {operands[0], operands[1]}, width, out);
      return intrinsic(all ? "minimum" : "minnum", element, {low, operands[2]}, width, out);
    }
    case Op::kFma:
      return intrinsic("fma", element, operands, width, out);
    case Op::kSqrt:
    case Op::kPreciseSqrt:
      return intrinsic("sqrt", element, operands, width, out);
    case Op::kRsqrt:
      return binary("fdiv", element, constant(1.0, element.scalar, width),
                    intrinsic("sqrt", element, operands, width, out), width, out);
    case Op::kAbsF:
      return intrinsic("fabs", element, operands, width, out);
    case Op::kFloor:
      return intrinsic("floor", element, operands, width, out);
    case Op::kCeil:
      return intrinsic("ceil", element, operands, width, out);
    case Op::kExp:
      return single ? math.exp(operands[0]) : library("exp", element, operands, {element}, width, out);
    case Op::kExp2:
      return single ? math.exp2(operands[0]) : library("exp2", element, operands, {element}, width, out);
    case Op::kLog:
      return single ? math.log(operands[0]) : library("log", element, operands, {element}, width, out);
    case Op::kLog2:
      return single ? math.log2(operands[0]) : library("log2", element, operands, {element}, width, out);
    case Op::kSin:
      return single ? math.sin(operands[0]) : library("sin", element, operands, {element}, width, out);
    case Op::kCos:
      return single ? math.cos(operands[0]) : library("cos", element, operands, {element}, width, out);
    case Op::kErf:
      return single ? math.erf(operands[0]) : library("erf", element, operands, {element}, width, out);
    case Op::kTanh:
      return single ? math.tanh(operands[0]) : library("tanh", element, operands, {element}, width, out);
    default:
      fail(FL_UNSUPPORTED, "'%s' is not lowered", ttir::name_of(op));
  }
}

// What only touches the sign of a number of 16 bits, as integers; "" for anything else. 0 - x is what `-x` is in
// Triton: +0 for either zero.
std::string Elementwise::sign_change(const Operation& op, const std::vector<std::string>& operands, int width,
                                     Stream& out) {
  auto is_zero = [](const ttir::Value* value) {
    while (value->producer != nullptr && value->producer->op == Op::kSplat) value = value->producer->operands[0];
    return value->producer != nullptr && value->producer->op == Op::kConstant && value->producer->constant == 0;
  };
  const bool from_zero = op.op == Op::kSubF && is_zero(op.operands[0]);
  if (op.op != Op::kAbsF && op.op != Op::kNegF && !from_zero) return "";
  const Type element = op.result()->type.element();
  const bool is_integer = llvm_type(element, 1) == llvm_type(kI16, 1);
  const std::string& number = operands.back();
  const std::string bits = is_integer ? number : convert("bitcast", element, kI16, number, width, out);
  const std::string size = binary("and", kI16, bits, integer(0x7FFF, Scalar::kI16, width), width, out);
  std::string result = size;
  if (op.op != Op::kAbsF) {
    result = binary("xor", kI16, bits, integer(0x8000, Scalar::kI16, width), width, out);
    const std::string zero = integer(0, Scalar::kI16, width);
    if (from_zero) result = select(kI16, compare("icmp", "eq", kI16, size, zero, width, out), zero, result, width, out);
  }
  return is_integer ? result : convert("bitcast", kI16, element, result, width, out);
}

std::string Elementwise::emit(const Operation& op, const std::vector<std::string>& operands, int width, Stream& out) {
  const ttir::OpRow& row = ttir::row_of(op.op);
  const Type element = op.result()->type.element();
  if (row.rule == ttir::Rule::kSameFloat) {
    if (is_narrow_float(element)) {
      const std::string changed = sign_change(op, operands, width, out);
      if (!changed.empty()) return changed;
    }
    if (!is_narrow_float(element)) return emit_wide(op.op, op, element, operands, width, out);
    std::vector<std::string> wide;
    for (const std::string& operand : operands) wide.push_back(cast_float(element, kF32, operand, width, out));
    return cast_float(kF32, element, emit_wide(op.op, op, kF32, wide, width, out), width, out);
  }
  switch (op.op) {
    case Op::kAddI:
      return binary("add", element, operands[0], operands[1], width, out);
    case Op::kSubI:
      return binary("sub", element, operands[0], operands[1], width, out);
    case Op::kMulI:
      return binary("mul", element, operands[0], operands[1], width, out);
    case Op::kAndI:
      return binary("and", element, operands[0], operands[1], width, out);
    case Op::kOrI:
      return binary("or", element, operands[0], operands[1], width, out);
    case Op::kXorI:
      return binary("xor", element, operands[0], operands[1], width, out);
    case Op::kDivSI:
    case Op::kDivUI:
    case Op::kRemSI:
    case Op::kRemUI:
    case Op::kCeilDivSI:
    case Op::kFloorDivSI:
      return divide(op, operands, width, out);
    case Op::kShlI:
    case Op::kShrSI:
    case Op::kShrUI: {
      // A count beyond the width is poison in LLVM; masked lanes may hold one. Whatever is left is the low bits' shift.
      const char* instruction = op.op == Op::kShlI ? "shl" : op.op == Op::kShrSI ? "ashr" : "lshr";
      const std::string count =
          is_constant(operands[1])
              ? operands[1]
              : binary("and", element, operands[1], integer(ttir::bits_of(element.scalar) - 1, element.scalar, width),
                       width, out);
      return binary(instruction, element, operands[0], count, width, out);
    }
    case Op::kMinSI:
      return intrinsic("smin", element, operands, width, out);
    case Op::kMaxSI:
      return intrinsic("smax", element, operands, width, out);
    case Op::kMinUI:
      return intrinsic("umin", element, operands, width, out);
    case Op::kMaxUI:
      return intrinsic("umax", element, operands, width, out);
    case Op::kAbsI: {
      const std::string negated = binary("sub", element, integer(0, element.scalar, width), operands[0], width, out);
      return intrinsic("smax", element, {operands[0], negated}, width, out);
    }
    case Op::kMulHiUI: {
      const int bits = ttir::bits_of(element.scalar);
      const std::string narrow = llvm_type(element, width);
      const std::string wide = width == 1 ? formatted("i%d", 2 * bits) : formatted("<%d x i%d>", width, 2 * bits);
      std::string factors[2];
      for (size_t i = 0; i < 2; ++i) {
        factors[i] = module_.fresh();
        out.line(factors[i] + " = zext " + narrow + " " + operands[i] + " to " + wide);
      }
      const std::string product = module_.fresh();
      out.line(product + " = mul " + wide + " " + factors[0] + ", " + factors[1]);
      const std::string high = module_.fresh();
      const std::string count = width == 1 ? std::to_string(bits) : formatted("splat (i%d %d)", 2 * bits, bits);
      out.line(high + " = lshr " + wide + " " + product + ", " + count);
      const std::string result = module_.fresh();
      out.line(result + " = trunc " + wide + " " + high + " to " + narrow);
      return result;
    }
    case Op::kCmpI:
      return compare("icmp", op.word("predicate"), op.operands[0]->type.element(), operands[0], operands[1], width,
                     out);
    case Op::kCmpF: {
      const Type compared = op.operands[0]->type.element();
      if (!is_narrow_float(compared))
        return compare("fcmp", op.word("predicate"), compared, operands[0], operands[1], width, out);
      const std::string a = cast_float(compared, kF32, operands[0], width, out);
      const std::string b = cast_float(compared, kF32, operands[1], width, out);
      return compare("fcmp", op.word("predicate"), kF32, a, b, width, out);
    }
    case Op::kSelect:
      return select(element, operands[0], operands[1], operands[2], width, out);
    case Op::kExtern: {
      if (!is_narrow_float(op.operands[0]->type.element())) return external(op, operands, width, out);
      fail(FL_UNSUPPORTED, "the library function '%s' on 16-bit numbers is not lowered", op.word("symbol").c_str());
    }
    case Op::kPtrToInt:
    case Op::kIntToPtr: {
      // A kernel sees the device's own addresses as integers, and follows them where this processor finds them.
      const auto distance = static_cast<int64_t>(target_.distance);
      if (distance == 0) return operands[0];
      const Type address = Type::of(Scalar::kI64);
      const char* const instruction = op.op == Op::kIntToPtr ? "add" : "sub";
      return binary(instruction, address, operands[0], integer(distance, Scalar::kI64, width), width, out);
    }
    case Op::kAddPtr: {
      const Type offset = op.operands[1]->type.element();
      const Type address = Type::of(Scalar::kI64);
      std::string wide = operands[1];
      if (offset.scalar != Scalar::kI64) wide = convert("sext", offset, address, wide, width, out);
      const int size = ttir::bytes_of(element.scalar);
      if (size > 1) wide = binary("mul", address, wide, integer(size, Scalar::kI64, width), width, out);
      return binary("add", address, operands[0], wide, width, out);
    }
    default:
      break;
  }
  if (row.rule != ttir::Rule::kOwn || op.op == Op::kFpToFp) return cast(op, operands[0], width, out);
  fail(FL_UNSUPPORTED, "'%s' is not lowered", row.name);
}

}  // namespace fl::compiler
