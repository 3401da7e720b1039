// Operations of TTIR's text: one function a form.

#include <charconv>
#include <cstdlib>

#include "compiler/ttir/float_bits.h"
#include "compiler/ttir/parser_state.h"

namespace fl::ttir {

void Parser::parse_same(Operation* op, int operands) {
  for (int i = 0; i < operands; ++i) {
    if (i > 0) scan_.expect(",");
    use_into(op);
  }
  if (scan_.match(",")) {  // tt.clampf
    scan_.expect("propagateNan");
    scan_.expect("=");
    op->words["propagateNan"] = std::string(scan_.word("none or all"));
  }
  for (const char* flags : {"overflow", "fastmath"}) {
    if (!scan_.match(flags)) continue;
    scan_.expect("<");
    do scan_.word("a flag");
    while (scan_.match(","));
    scan_.expect(">");
  }
  parse_attributes(op);
  scan_.expect(":");
  const Location where = scan_.where();
  const Type type = parse_type();
  for (const Value* operand : op->operands) check_type(where, operand, type);
  result(op, type);
}

void Parser::parse_cast(Operation* op, const char* arrow) {
  use_into(op);
  parse_attributes(op);
  scan_.expect(":");
  operand_type(op, 0);
  scan_.expect(arrow);
  result(op, parse_type());
}

void Parser::parse_compare(Operation* op) {
  op->words["predicate"] = std::string(scan_.word("a predicate, like slt"));
  scan_.expect(",");
  use_into(op);
  scan_.expect(",");
  use_into(op);
  parse_attributes(op);
  scan_.expect(":");
  const Location where = scan_.where();
  const Type type = parse_type();
  for (const Value* operand : op->operands) check_type(where, operand, type);
  result(op, type.with_element(Type::of(Scalar::kI1)));
}

// A number as the bits of `type`'s element. Hexadecimal is the bit pattern itself; floats are written in decimal.
uint64_t Parser::parse_bits(const Type& type) {
  if (scan_.match("true")) return 1;
  if (scan_.match("false")) return 0;
  const Location where = scan_.where();
  const std::string digits(scan_.number());
  const int bits = bits_of(type.scalar);
  uint64_t value = 0;
  if (digits.starts_with("0x")) {
    auto [end, error] = std::from_chars(digits.data() + 2, digits.data() + digits.size(), value, 16);
    if (error != std::errc() || *end != '\0') Scanner::fail_at(where, "'" + digits + "' is not a bit pattern");
  } else if (type.holds_float()) {
    double number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc::result_out_of_range) number = std::strtod(digits.c_str(), nullptr);  // 0 or infinity
    if (error == std::errc::invalid_argument || *end != '\0')
      Scanner::fail_at(where, "'" + digits + "' is not a number");
    return float_bits(number, type.scalar);
  } else {
    int64_t number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || *end != '\0') Scanner::fail_at(where, "'" + digits + "' is not an integer");
    value = static_cast<uint64_t>(number);
    if (bits < 64) {
      const int64_t high = number >> (bits - 1);
      if (high != 0 && high != -1 && number >> bits != 0) {
        Scanner::fail_at(where, digits + " does not fit into " + name_of(type.scalar));
      }
      value &= (uint64_t{1} << bits) - 1;
    }
    return value;
  }
  if (bits < 64 && value >> bits != 0) Scanner::fail_at(where, digits + " does not fit into " + name_of(type.scalar));
  return value;
}

void Parser::parse_constant(Operation* op) {
  // The type stands behind the value and decides how it is read: remember the place, find the type, come back.
  const bool dense = scan_.match("dense");
  if (dense) scan_.expect("<");
  if (dense && scan_.peek("[")) scan_.fail("only constants that are the same in each element are known");
  Scanner value = scan_;
  const bool boolean = scan_.match("true") || scan_.match("false");
  if (!boolean) scan_.number();
  if (dense) scan_.expect(">");
  Type type = Type::of(Scalar::kI1);
  if (!boolean || scan_.peek(":")) {
    scan_.expect(":");
    type = parse_type();
  }
  Scanner rest = scan_;
  scan_ = value;
  op->constant = parse_bits(type);
  scan_ = rest;
  result(op, type);
}

void Parser::parse_select(Operation* op) {
  uses_into(op);
  parse_attributes(op);
  scan_.expect(":");
  const Location where = scan_.where();
  Type type = parse_type();
  if (scan_.match(",")) {
    if (op->operands.size() > 0) check_type(where, op->operands[0], type);
    type = parse_type();
  }
  for (size_t i = 1; i < op->operands.size(); ++i) check_type(where, op->operands[i], type);
  result(op, type);
}

void Parser::parse_load(Operation* op) {
  uses_into(op);
  for (const char* key : {"cacheModifier", "evictionPolicy"}) {
    if (!scan_.match(key)) continue;
    scan_.expect("=");
    op->words[key] = std::string(scan_.word("a policy"));
  }
  parse_attributes(op);
  scan_.expect(":");
  Type type = operand_type(op, 0);
  type.pointer = false;
  result(op, type);
}

void Parser::parse_store(Operation* op) {
  uses_into(op);
  for (const char* key : {"cacheModifier", "evictionPolicy"}) {
    if (!scan_.match(key)) continue;
    scan_.expect("=");
    op->words[key] = std::string(scan_.word("a policy"));
  }
  parse_attributes(op);
  scan_.expect(":");
  operand_type(op, 0);
}

void Parser::parse_signature(Operation* op) {
  scan_.expect(":");
  scan_.expect("(");
  for (size_t i = 0; i < op->operands.size(); ++i) {
    if (i > 0) scan_.expect(",");
    operand_type(op, i);
  }
  scan_.expect(")");
  scan_.expect("->");
  for (const Type& type : parse_type_list()) result(op, type);
}

void Parser::parse_atomic(Operation* op) {
  if (op->op == Op::kAtomicRmw) {
    op->words["kind"] = std::string(scan_.word("an operation, like fadd"));
    scan_.expect(",");
  }
  op->words["order"] = std::string(scan_.word("a memory order, like acq_rel"));
  scan_.expect(",");
  op->words["scope"] = std::string(scan_.word("a scope, like gpu"));
  scan_.expect(",");
  uses_into(op);
  parse_attributes(op);
  parse_signature(op);
}

void Parser::parse_dot(Operation* op) {
  for (int i = 0; i < 3; ++i) {
    if (i > 0) scan_.expect(",");
    use_into(op);
  }
  while (scan_.match(",")) {
    const std::string key(scan_.word("inputPrecision or maxNumImpreciseAcc"));
    scan_.expect("=");
    if (scan_.next_is_digit()) {
      op->integers[key] = scan_.integer();
      if (scan_.match(":")) parse_type();
    } else {
      op->words[key] = std::string(scan_.word("a precision"));
    }
  }
  parse_attributes(op);
  scan_.expect(":");
  operand_type(op, 0);
  scan_.expect("*");
  operand_type(op, 1);
  scan_.expect("->");
  result(op, operand_type(op, 2));
}

void Parser::parse_print(Operation* op) {
  op->words["prefix"] = scan_.string();
  parse_attributes(op);
  if (!scan_.match(":")) return;
  uses_into(op);
  scan_.expect(":");
  for (size_t i = 0; i < op->operands.size(); ++i) {
    if (i > 0) scan_.expect(",");
    operand_type(op, i);
  }
}

void Parser::parse_own(Operation* op) {
  switch (op->op) {
    case Op::kConstant:
      return parse_constant(op);
    case Op::kSelect:
      return parse_select(op);
    case Op::kLoad:
      return parse_load(op);
    case Op::kStore:
      return parse_store(op);
    case Op::kAtomicRmw:
    case Op::kAtomicCas:
      return parse_atomic(op);
    case Op::kDot:
      return parse_dot(op);
    case Op::kPrint:
      return parse_print(op);
    case Op::kFor:
      return parse_for(op);
    case Op::kIf:
      return parse_if(op);
    case Op::kWhile:
      return parse_while(op);
    case Op::kBranch:
    case Op::kCondBranch:
      return parse_branch(op);
    case Op::kBarrier:
      return parse_attributes(op);
    case Op::kProgramId:
    case Op::kNumPrograms:
      op->words["axis"] = std::string(scan_.word("x, y or z"));
      parse_attributes(op);
      scan_.expect(":");
      return result(op, parse_type());
    case Op::kMakeRange:
      parse_attributes(op);
      scan_.expect(":");
      return result(op, parse_type());
    case Op::kExpandDims:
    case Op::kTrans:
      return parse_cast(op, "->");
    case Op::kReshape:
      use_into(op);
      for (const char* flag : {"allow_reorder", "efficient_layout"}) {
        if (scan_.match(flag)) op->integers[flag] = 1;
      }
      parse_attributes(op);
      scan_.expect(":");
      operand_type(op, 0);
      scan_.expect("->");
      return result(op, parse_type());
    case Op::kFpToFp:
      use_into(op);
      if (scan_.match(",")) {
        scan_.expect("rounding");
        scan_.expect("=");
        op->words["rounding"] = std::string(scan_.word("rtne or rtz"));
      }
      parse_attributes(op);
      scan_.expect(":");
      operand_type(op, 0);
      scan_.expect("->");
      return result(op, parse_type());
    case Op::kAddPtr:
      uses_into(op);
      parse_attributes(op);
      scan_.expect(":");
      result(op, operand_type(op, 0));
      scan_.expect(",");
      operand_type(op, 1);
      return;
    case Op::kExtern:
      uses_into(op);
      parse_attributes(op);
      return parse_signature(op);
    case Op::kJoin:
    case Op::kCat: {
      uses_into(op);
      parse_attributes(op);
      scan_.expect(":");
      const Location where = scan_.where();
      const Type type = parse_type();
      for (const Value* operand : op->operands) check_type(where, operand, type);
      scan_.expect("->");
      return result(op, parse_type());
    }
    case Op::kSplit: {
      use_into(op);
      parse_attributes(op);
      scan_.expect(":");
      operand_type(op, 0);
      scan_.expect("->");
      const Type type = parse_type();
      result(op, type);
      return result(op, type);
    }
    case Op::kHistogram:
      uses_into(op);
      parse_attributes(op);
      scan_.expect(":");
      operand_type(op, 0);
      if (scan_.match(",")) operand_type(op, 1);
      scan_.expect("->");
      return result(op, parse_type());
    case Op::kGather:
      use_into(op);
      scan_.expect("[");
      use_into(op);
      scan_.expect("]");
      parse_attributes(op);
      return parse_signature(op);
    case Op::kAssert:
      use_into(op);
      scan_.expect(",");
      op->words["message"] = scan_.string();
      parse_attributes(op);
      scan_.expect(":");
      operand_type(op, 0);
      return;
    case Op::kAssume:
      use_into(op);
      parse_attributes(op);
      scan_.expect(":");
      operand_type(op, 0);
      return;
    case Op::kCondition:
      scan_.expect("(");
      use_into(op);
      scan_.expect(")");
      if (scan_.peek("%")) {
        uses_into(op);
        scan_.expect(":");
        for (size_t i = 1; i < op->operands.size(); ++i) {
          if (i > 1) scan_.expect(",");
          operand_type(op, i);
        }
      }
      return;
    case Op::kYield:
    case Op::kReturn:
    case Op::kReduceReturn:
    case Op::kScanReturn:
      if (!scan_.peek("%")) return;
      uses_into(op);
      scan_.expect(":");
      for (size_t i = 0; i < op->operands.size(); ++i) {
        if (i > 0) scan_.expect(",");
        operand_type(op, i);
      }
      return;
    default:
      scan_.fail(std::string("'") + name_of(op->op) + "' is not written like this");
  }
}

}  // namespace fl::ttir
