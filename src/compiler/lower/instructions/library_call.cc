// Functions that kernels call by name: libdevice's, and the C library's behind them.

#include <array>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "compiler/lower/instructions/elementwise.h"
#include "compiler/lower/instructions/vector_math.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Operation;

const Type kF32 = Type::of(Scalar::kF32);
const Type kF64 = Type::of(Scalar::kF64);
const Type kI1 = Type::of(Scalar::kI1);
const Type kI32 = Type::of(Scalar::kI32);

}  // namespace

// A function of the C library, lane by lane.
std::string Elementwise::library(const std::string& function, const Type& element,
                                 const std::vector<std::string>& operands, const std::vector<Type>& types, int width,
                                 Stream& out) {
  std::string parameters;
  for (const Type& type : types) parameters += (parameters.empty() ? "" : ", ") + llvm_type(type, 1);
  module_.declare(llvm_type(element, 1) + " @" + function + "(" + parameters + ")");
  const std::string result_type = llvm_type(element, width);
  std::string result = "poison";
  for (int lane = 0; lane < width; ++lane) {
    std::string arguments;
    for (size_t i = 0; i < operands.size(); ++i) {
      std::string operand = operands[i];
      if (width > 1) {
        operand = module_.fresh();
        out.line(operand + " = extractelement " + llvm_type(types[i], width) + " " + operands[i] + ", i32 " +
                 std::to_string(lane));
      }
      arguments += (arguments.empty() ? "" : ", ") + llvm_type(types[i], 1) + " " + operand;
    }
    const std::string called = module_.fresh();
    out.line(called + " = call " + llvm_type(element, 1) + " @" + function + "(" + arguments + ")");
    if (width == 1) return called;
    const std::string next = module_.fresh();
    out.line(next + " = insertelement " + result_type + " " + result + ", " + llvm_type(element, 1) + " " + called +
             ", i32 " + std::to_string(lane));
    result = next;
  }
  return result;
}

// What libdevice calls by name. "__nv_" in front changes nothing; a trailing f is f32. Symbols that are a single
// instruction or an inline polynomial are that, others go to the C library.
std::string Elementwise::external(const Operation& op, const std::vector<std::string>& operands, int width,
                                  Stream& out) {
  std::string symbol = op.word("symbol");
  if (symbol.starts_with("__nv_")) symbol = symbol.substr(5);
  const Type element = op.result()->type.element();
  std::vector<Type> types;
  for (const ttir::Value* value : op.operands) types.push_back(value->type.element());
  const Type from = types.front();
  const bool single = from.scalar == Scalar::kF32;
  const bool known_type = single || from.scalar == Scalar::kF64;
  std::string base = symbol;
  if (single && base.ends_with("f")) base.pop_back();

  static constexpr struct {
    const char* name;
    Op op;
  } kSame[] = {{"exp", Op::kExp},      {"fast_exp", Op::kExp},     {"exp2", Op::kExp2},      {"log", Op::kLog},
               {"fast_log", Op::kLog}, {"log2", Op::kLog2},        {"sin", Op::kSin},        {"cos", Op::kCos},
               {"erf", Op::kErf},      {"tanh", Op::kTanh},        {"fast_tanh", Op::kTanh}, {"sqrt", Op::kSqrt},
               {"rsqrt", Op::kRsqrt},  {"floor", Op::kFloor},      {"ceil", Op::kCeil},      {"fabs", Op::kAbsF},
               {"fma", Op::kFma},      {"fmax", Op::kMaxNumF},     {"fmin", Op::kMinNumF},   {"fdiv_rn", Op::kDivF},
               {"div_rn", Op::kDivF},  {"fast_dividef", Op::kDivF}};
  for (const auto& row : kSame) {
    if (known_type && (base == row.name || symbol == row.name))
      return emit_wide(row.op, op, from, operands, width, out);
  }
  static constexpr struct {
    const char* name;
    const char* intrinsic;
  } kRounding[] = {
      {"trunc", "trunc"}, {"nearbyint", "nearbyint"}, {"rint", "rint"}, {"round", "round"}, {"copysign", "copysign"}};
  for (const auto& row : kRounding) {
    if (known_type && base == row.name) return intrinsic(row.intrinsic, from, operands, width, out);
  }
  if (single && element == from) {
    VectorMath math(*this, width, out);
    if (base == "log1p") return math.log1p(operands[0]);
    if (base == "expm1") return math.expm1(operands[0]);
    if (base == "pow" && types[1] == from) return math.pow(operands[0], operands[1]);
  }
  // Predicates: libdevice returns an integer.
  const char* predicate = nullptr;
  std::string limit = constant(HUGE_VAL, from.scalar, width);
  if (symbol == "isnanf" || symbol == "isnand" || symbol == "isnan") predicate = "uno";
  if (symbol == "isinff" || symbol == "isinfd" || symbol == "isinf") predicate = "oeq";
  if (symbol == "finitef" || symbol == "isfinited" || symbol == "finite") predicate = "olt";
  if (predicate != nullptr && known_type && element.holds_integer()) {
    const std::string size = intrinsic("fabs", from, {operands[0]}, width, out);
    const std::string holds =
        compare("fcmp", predicate, from, size, std::string(predicate) == "uno" ? size : limit, width, out);
    return element.scalar == Scalar::kI1 ? holds : convert("zext", kI1, element, holds, width, out);
  }
  if (symbol == "signbitf" || symbol == "signbitd") {
    const Type bits = Type::of(single ? Scalar::kI32 : Scalar::kI64);
    const std::string negative = compare("icmp", "slt", bits, convert("bitcast", from, bits, operands[0], width, out),
                                         integer(0, bits.scalar, width), width, out);
    return convert("zext", kI1, element, negative, width, out);
  }
  if (symbol == "fdiv_rz" || symbol == "div_rz") {  // toward zero: the exact quotient rounded down in magnitude
    if (single) {
      const std::string wide = binary("fdiv", kF64, convert("fpext", kF32, kF64, operands[0], width, out),
                                      convert("fpext", kF32, kF64, operands[1], width, out), width, out);
      const std::string near = convert("fptrunc", kF64, kF32, wide, width, out);
      const std::string back = convert("fpext", kF32, kF64, near, width, out);
      const std::string beyond = compare("fcmp", "ogt", kF64, intrinsic("fabs", kF64, {back}, width, out),
                                         intrinsic("fabs", kF64, {wide}, width, out), width, out);
      const std::string finite = compare("fcmp", "olt", kF64, intrinsic("fabs", kF64, {wide}, width, out),
                                         constant(HUGE_VAL, Scalar::kF64, width), width, out);
      const std::string step = binary("and", kI1, beyond, finite, width, out);
      const std::string bits = convert("bitcast", kF32, kI32, near, width, out);
      const std::string lower = binary("sub", kI32, bits, convert("zext", kI1, kI32, step, width, out), width, out);
      return convert("bitcast", kI32, kF32, lower, width, out);
    }
  }
  if (symbol == "powif" || symbol == "powi") {  // f32, i32
    std::vector<std::string> floats{operands[0], convert("sitofp", types[1], from, operands[1], width, out)};
    if (single) return VectorMath(*this, width, out).pow(floats[0], floats[1]);
    return library("pow", from, floats, {from, from}, width, out);
  }
  static constexpr std::array<std::string_view, 30> kLibrary = {
      "pow",   "fmod",      "atan2",     "acos",  "asin",  "atan",  "tan",  "sinh",  "cosh",   "asinh",
      "acosh", "atanh",     "expm1",     "log1p", "log10", "exp10", "cbrt", "hypot", "lgamma", "tgamma",
      "erfc",  "nextafter", "remainder", "fdim",  "j0",    "j1",    "y0",   "y1",    "logb",   "erfinv"};
  for (std::string_view name : kLibrary) {
    if (known_type && element == from && base == name && name != "erfinv")
      return library(base + (single ? "f" : ""), element, operands, types, width, out);
  }
  fail(FL_UNSUPPORTED, "the library function '%s' is not known", op.word("symbol").c_str());
}

}  // namespace fl::compiler
