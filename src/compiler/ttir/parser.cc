#include "compiler/ttir/parser.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "compiler/ttir/float_bits.h"
#include "compiler/ttir/scanner.h"

namespace fl::ttir {
namespace {

constexpr size_t kMaxText = size_t{64} << 20;
constexpr int kMaxNesting = 64;  // of regions; real kernels stay below ten

class Parser {
 public:
  explicit Parser(std::string_view text) : scan_(text) {}
  std::unique_ptr<Module> run();

 private:
  // Structure.
  void parse_function();
  Region* parse_region(Operation* parent, const std::vector<Value*>& arguments);
  void parse_block_body(Block* block);
  void close_silently(Block* block);
  Block* parse_label(Region* region);
  void parse_operation(Block* block);
  Value* parse_argument(Block* block);

  // Types, attributes.
  Type parse_type();
  Type parse_element();
  std::vector<Type> parse_type_list();   // (T, U) or T
  void parse_attributes(Operation* op);  // {name = value, ...} when it comes next
  void parse_attribute(Operation* op, bool stored);
  void skip_attribute_value();

  // Values.
  Value* use();
  void use_into(Operation* op) { op->operands.push_back(use()); }
  void uses_into(Operation* op);  // %a, %b, ...
  Value* define(std::string_view name, const Type& type);
  void check_type(Location where, const Value* value, const Type& written);
  Type operand_type(Operation* op, size_t index);  // parses a type and checks it against the operand
  void result(Operation* op, const Type& type) { result_types_.push_back({op, type}); }

  // One function a syntax.
  void parse_same(Operation* op, int operands);
  void parse_cast(Operation* op, const char* arrow);
  void parse_compare(Operation* op);
  void parse_own(Operation* op);
  void parse_constant(Operation* op);
  void parse_select(Operation* op);
  void parse_load(Operation* op);
  void parse_store(Operation* op);
  void parse_atomic(Operation* op);
  void parse_signature(Operation* op);  // : (T, U) -> V
  void parse_dot(Operation* op);
  void parse_for(Operation* op);
  void parse_if(Operation* op);
  void parse_while(Operation* op);
  void parse_branch(Operation* op);
  void parse_print(Operation* op);
  void parse_generic(Block* block, Operation* op);
  std::vector<std::pair<std::string_view, Value*>> parse_carried();  // (%x = %y, ...)
  Block* successor();
  uint64_t parse_bits(const Type& type);

  Scanner scan_;
  std::unique_ptr<Module> module_ = std::make_unique<Module>();
  // Names in scope: one list of shadowed definitions a scope, undone when it ends.
  std::unordered_map<std::string, std::vector<Value*>> names_;  // all results of one definition
  struct Shadow {
    std::string name;
    std::vector<Value*> outer;
  };
  std::vector<std::vector<Shadow>> scopes_;
  std::vector<std::pair<Operation*, Type>> result_types_;  // of the operation being parsed
  std::unordered_map<std::string, Block*> labels_;         // of the function's body
  std::vector<std::pair<Location, Block*>> wanted_labels_;
  int depth_ = 0;

  void bind(std::string name, std::vector<Value*> values);
  void open_scope() { scopes_.emplace_back(); }
  void close_scope();
};

void Parser::bind(std::string name, std::vector<Value*> values) {
  auto& slot = names_[name];
  scopes_.back().push_back({std::move(name), std::move(slot)});
  slot = std::move(values);
}

void Parser::close_scope() {
  auto& shadows = scopes_.back();
  for (auto shadow = shadows.rbegin(); shadow != shadows.rend(); ++shadow) names_[shadow->name] = shadow->outer;
  scopes_.pop_back();
}

Value* Parser::define(std::string_view name, const Type& type) {
  Value* value = module_->new_value();
  value->name = std::string(name);
  value->type = type;
  return value;
}

Value* Parser::use() {
  const Location where = scan_.where();
  const std::string name(scan_.ssa_name());
  int64_t index = 0;
  const bool numbered = scan_.match("#");
  if (numbered) index = scan_.integer();
  auto found = names_.find(name);
  if (found == names_.end() || found->second.empty()) {
    Scanner::fail_at(where, "%" + name + " is used here but not defined before");
  }
  const auto& values = found->second;
  if (index < 0 || index >= static_cast<int64_t>(values.size())) {
    Scanner::fail_at(
        where, "%" + name + " has " + std::to_string(values.size()) + " results, not " + std::to_string(index + 1));
  }
  if (!numbered && values.size() > 1)
    Scanner::fail_at(where, "%" + name + " has several results: write %" + name + "#0");
  return values[static_cast<size_t>(index)];
}

void Parser::uses_into(Operation* op) {
  do use_into(op);
  while (scan_.match(","));
}

void Parser::check_type(Location where, const Value* value, const Type& written) {
  if (value->type == written) return;
  Scanner::fail_at(where, "%" + value->name + " is a " + to_string(value->type) + ", but " + to_string(written) +
                              " is written here");
}

Type Parser::operand_type(Operation* op, size_t index) {
  const Location where = scan_.where();
  Type type = parse_type();
  if (index < op->operands.size()) check_type(where, op->operands[index], type);
  return type;
}

// ---- Types and attributes ----

Type Parser::parse_element() {
  Type type;
  if (scan_.match("!tt.ptr")) {
    scan_.expect("<");
    const Location where = scan_.where();
    const std::string_view pointee = scan_.word("the type pointed to, like f32");
    if (!scalar_from_name(pointee, &type.scalar)) {
      Scanner::fail_at(where, "a pointer to '" + std::string(pointee) + "' is not supported");
    }
    if (scan_.match(",") && scan_.integer() != 1) scan_.fail("only address space 1 is known");
    scan_.expect(">");
    type.pointer = true;
    return type;
  }
  const Location where = scan_.where();
  const std::string_view name = scan_.word("a type, like i32, tensor<128xf32> or !tt.ptr<f16>");
  if (!scalar_from_name(name, &type.scalar)) {
    Scanner::fail_at(where, "'" + std::string(name) + "' is not a type that this compiler knows");
  }
  return type;
}

Type Parser::parse_type() {
  if (!scan_.match("tensor")) return parse_element();
  const Location where = scan_.where();
  scan_.expect("<");
  std::vector<int64_t> shape;
  int64_t elements = 1;
  while (scan_.next_is_digit()) {
    const int64_t extent = scan_.extent();
    if (extent < 1 || extent > kMaxElements || elements > kMaxElements / extent) {
      Scanner::fail_at(where, "a block has 1 to 1048576 elements");
    }
    elements *= extent;
    shape.push_back(extent);
  }
  if (shape.empty() || shape.size() > kMaxRank) Scanner::fail_at(where, "a block has 1 to 16 dimensions");
  Type type = parse_element();
  scan_.expect(">");
  type.tensor = true;
  type.shape = std::move(shape);
  return type;
}

std::vector<Type> Parser::parse_type_list() {
  std::vector<Type> types;
  if (!scan_.match("(")) return {parse_type()};
  if (scan_.match(")")) return types;
  do types.push_back(parse_type());
  while (scan_.match(","));
  scan_.expect(")");
  return types;
}

// Values of attributes that no stage reads (hints, loop annotations) are passed over by balancing brackets.
void Parser::skip_attribute_value() {
  int open = 0;
  for (;;) {
    if (scan_.at_end()) scan_.fail("this attribute has no end");
    if (open == 0 && (scan_.peek(",") || scan_.peek("}") || scan_.peek(">"))) return;
    if (scan_.peek("\"")) {
      scan_.string();
    } else if (scan_.match("<") || scan_.match("[") || scan_.match("{") || scan_.match("(")) {
      ++open;
    } else if (scan_.match(">") || scan_.match("]") || scan_.match("}") || scan_.match(")")) {
      --open;
    } else if (scan_.match(",") || scan_.match(":") || scan_.match("=") || scan_.match("!") || scan_.match("@") ||
               scan_.match("#") || scan_.match("-") || scan_.match("+")) {
    } else {
      scan_.word("an attribute's value");
    }
  }
}

void Parser::parse_attribute(Operation* op, bool stored) {
  const std::string name(scan_.word("an attribute's name"));
  if (!scan_.match("=")) {  // a unit attribute: its presence is its value
    if (stored) op->integers[name] = 1;
    return;
  }
  if (!stored || name.find('.') != std::string::npos) return skip_attribute_value();
  if (scan_.peek("\"")) {
    op->words[name] = scan_.string();
  } else if (scan_.match("true")) {
    op->integers[name] = 1;
  } else if (scan_.match("false")) {
    op->integers[name] = 0;
  } else if (scan_.match("array")) {
    scan_.expect("<");
    scan_.word("an integer type");
    std::vector<int64_t> values;
    if (scan_.match(":")) {
      do values.push_back(scan_.integer());
      while (values.size() < kMaxRank && scan_.match(","));
    }
    scan_.expect(">");
    if (name == "order") op->order = std::move(values);
  } else {
    op->integers[name] = scan_.integer();
    if (scan_.match(":")) parse_type();
  }
}

void Parser::parse_attributes(Operation* op) {
  if (!scan_.match("{")) return;
  if (scan_.match("}")) return;
  do parse_attribute(op, true);
  while (scan_.match(","));
  scan_.expect("}");
}

// ---- Operations ----

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

Block* Parser::successor() {
  const Location where = scan_.where();
  const std::string name(scan_.label());
  Block*& block = labels_[name];
  if (block == nullptr) {
    block = module_->new_block();
    block->label = name;
  }
  wanted_labels_.push_back({where, block});
  if (scan_.peek("(")) scan_.fail("a branch that passes values is not supported");
  return block;
}

void Parser::parse_branch(Operation* op) {
  if (op->op == Op::kCondBranch) {
    use_into(op);
    scan_.expect(",");
  }
  op->successors.push_back(successor());
  if (op->op == Op::kCondBranch) {
    scan_.expect(",");
    op->successors.push_back(successor());
  }
  parse_attributes(op);
}

std::vector<std::pair<std::string_view, Value*>> Parser::parse_carried() {
  std::vector<std::pair<std::string_view, Value*>> carried;
  scan_.expect("(");
  if (scan_.match(")")) return carried;
  do {
    const std::string_view name = scan_.ssa_name();
    scan_.expect("=");
    carried.push_back({name, use()});
  } while (scan_.match(","));
  scan_.expect(")");
  return carried;
}

void Parser::parse_for(Operation* op) {
  const std::string_view variable = scan_.ssa_name();
  scan_.expect("=");
  use_into(op);
  scan_.expect("to");
  use_into(op);
  scan_.expect("step");
  use_into(op);
  std::vector<Value*> arguments{define(variable, op->operands[0]->type)};
  if (scan_.match("iter_args")) {
    for (auto [name, initial] : parse_carried()) {
      op->operands.push_back(initial);
      arguments.push_back(define(name, initial->type));
    }
    scan_.expect("->");
    for (const Type& type : parse_type_list()) result(op, type);
  }
  if (scan_.match(":")) operand_type(op, 0);
  op->regions.push_back(parse_region(op, arguments));
  parse_attributes(op);
}

void Parser::parse_if(Operation* op) {
  use_into(op);
  if (scan_.match("->")) {
    for (const Type& type : parse_type_list()) result(op, type);
  }
  op->regions.push_back(parse_region(op, {}));
  if (scan_.match("else")) op->regions.push_back(parse_region(op, {}));
  parse_attributes(op);
}

void Parser::parse_while(Operation* op) {
  std::vector<Value*> arguments;
  if (scan_.peek("(")) {
    for (auto [name, initial] : parse_carried()) {
      op->operands.push_back(initial);
      arguments.push_back(define(name, initial->type));
    }
  }
  parse_signature(op);
  op->regions.push_back(parse_region(op, arguments));
  scan_.expect("do");
  op->regions.push_back(parse_region(op, {}));
  if (scan_.match("attributes")) parse_attributes(op);
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

// "tt.reduce"(%a, %b) <{axis = 0 : i32}> ({ ^bb0(...): ... }) : (T, U) -> (V, W)
void Parser::parse_generic(Block*, Operation* op) {
  if (op->op != Op::kReduce && op->op != Op::kScan) {
    Scanner::fail_at(op->where, std::string(name_of(op->op)) + " is known in its custom form only");
  }
  scan_.expect("(");
  uses_into(op);
  scan_.expect(")");
  if (scan_.match("<")) {
    parse_attributes(op);
    scan_.expect(">");
  }
  scan_.expect("(");
  op->regions.push_back(parse_region(op, {}));
  scan_.expect(")");
  parse_attributes(op);
  parse_signature(op);
}

void Parser::parse_operation(Block* block) {
  const Location where = scan_.where();
  std::vector<std::pair<std::string, int64_t>> defined;  // name, number of results it stands for
  if (scan_.peek("%")) {
    do {
      std::string name(scan_.ssa_name());
      const int64_t count = scan_.match(":") ? scan_.integer() : 1;
      if (count < 1 || count > 64) Scanner::fail_at(where, "an operation has 1 to 64 results");
      defined.push_back({std::move(name), count});
    } while (scan_.match(","));
    scan_.expect("=");
  }
  const Location name_at = scan_.where();
  const bool generic = scan_.peek("\"");
  const std::string name = generic ? scan_.string() : std::string(scan_.word("an operation, like arith.addi"));
  Operation* op = module_->new_operation();
  op->where = name_at;
  op->parent = block;
  if (!op_from_name(name, &op->op)) {
    fl::fail(FL_UNSUPPORTED, "line %d, column %d: the operation '%s' is not supported", name_at.line, name_at.column,
             name.c_str());
  }
  std::vector<std::pair<Operation*, Type>> outer;
  outer.swap(result_types_);
  if (generic) {
    parse_generic(block, op);
  } else {
    switch (row_of(op->op).syntax) {
      case Syntax::kUnary:
        parse_same(op, 1);
        break;
      case Syntax::kBinary:
        parse_same(op, 2);
        break;
      case Syntax::kTernary:
        parse_same(op, 3);
        break;
      case Syntax::kCastTo:
        parse_cast(op, "to");
        break;
      case Syntax::kConvert:
        parse_cast(op, "->");
        break;
      case Syntax::kCompare:
        parse_compare(op);
        break;
      case Syntax::kOwn:
        parse_own(op);
        break;
    }
  }
  for (const auto& [owner, type] : result_types_) {
    Value* value = define("", type);
    value->producer = op;
    value->index = static_cast<int>(op->results.size());
    op->results.push_back(value);
  }
  result_types_.swap(outer);
  block->operations.push_back(op);

  size_t next = 0;
  for (const auto& [defined_name, count] : defined) {
    std::vector<Value*> values;
    for (int64_t i = 0; i < count && next < op->results.size(); ++i, ++next) {
      op->results[next]->name = defined_name;
      values.push_back(op->results[next]);
    }
    if (static_cast<int64_t>(values.size()) != count) {
      Scanner::fail_at(where, "'" + name + "' has " + std::to_string(op->results.size()) + " results");
    }
    bind(defined_name, std::move(values));
  }
  if (!defined.empty() && next != op->results.size()) {
    Scanner::fail_at(where, "'" + name + "' has " + std::to_string(op->results.size()) + " results");
  }
}

Value* Parser::parse_argument(Block* block) {
  const std::string name(scan_.ssa_name());
  scan_.expect(":");
  Value* value = define(name, parse_type());
  value->owner = block;
  value->index = static_cast<int>(block->arguments.size());
  if (scan_.match("{")) {
    Operation ignored;
    do parse_attribute(&ignored, false);
    while (scan_.match(","));
    scan_.expect("}");
  }
  block->arguments.push_back(value);
  bind(name, {value});
  return value;
}

Block* Parser::parse_label(Region* region) {
  const Location where = scan_.where();
  const std::string name(scan_.label());
  Block* block = nullptr;
  if (region->parent == nullptr) {  // branches go to blocks of the function only
    Block*& known = labels_[name];
    if (known == nullptr) known = module_->new_block();
    block = known;
    if (block->parent != nullptr) Scanner::fail_at(where, "^" + name + " is defined twice");
  } else {
    block = module_->new_block();
  }
  block->label = name;
  block->parent = region;
  if (scan_.match("(")) {
    do parse_argument(block);
    while (scan_.match(","));
    scan_.expect(")");
  }
  scan_.expect(":");
  return block;
}

void Parser::parse_block_body(Block* block) {
  while (!scan_.peek("}") && !scan_.peek("^")) parse_operation(block);
}

// The text leaves out a scf.yield that passes nothing.
void Parser::close_silently(Block* block) {
  if (!block->operations.empty() && block->terminator()->op == Op::kYield) return;
  Operation* end = module_->new_operation();
  end->op = Op::kYield;
  end->where = scan_.where();
  end->parent = block;
  block->operations.push_back(end);
}

Region* Parser::parse_region(Operation* parent, const std::vector<Value*>& arguments) {
  if (++depth_ > kMaxNesting) scan_.fail("regions are nested too deeply");
  scan_.expect("{");
  open_scope();
  Region* region = module_->new_region();
  region->parent = parent;
  if (!scan_.peek("^")) {
    Block* block = module_->new_block();
    block->parent = region;
    for (Value* argument : arguments) {
      argument->owner = block;
      argument->index = static_cast<int>(block->arguments.size());
      block->arguments.push_back(argument);
      bind(argument->name, {argument});
    }
    region->blocks.push_back(block);
    parse_block_body(block);
    if (parent != nullptr && (parent->op == Op::kFor || parent->op == Op::kIf)) close_silently(block);
  }
  while (scan_.peek("^")) {
    Block* block = parse_label(region);
    region->blocks.push_back(block);
    parse_block_body(block);
  }
  scan_.expect("}");
  close_scope();
  --depth_;
  return region;
}

void Parser::parse_function() {
  Function& function = module_->function;
  scan_.expect("tt.func");
  function.where = scan_.where();
  scan_.match("public") || scan_.match("private");
  function.name = std::string(scan_.symbol());
  open_scope();
  Block* entry = module_->new_block();
  scan_.expect("(");
  if (!scan_.match(")")) {
    do parse_argument(entry);
    while (scan_.match(","));
    scan_.expect(")");
  }
  if (scan_.match("->")) scan_.fail("a kernel returns nothing");
  if (scan_.match("attributes")) {
    Operation ignored;
    parse_attributes(&ignored);
  }
  std::vector<Value*> arguments = entry->arguments;
  function.body = parse_region(nullptr, arguments);
  close_scope();
  for (const auto& [where, block] : wanted_labels_) {
    if (block->parent == nullptr) Scanner::fail_at(where, "there is no block ^" + block->label);
  }
}

std::unique_ptr<Module> Parser::run() {
  scan_.expect("module");
  Operation ignored;
  if (scan_.match("attributes")) parse_attributes(&ignored);
  scan_.expect("{");
  parse_function();
  if (scan_.peek("tt.func")) scan_.fail("a module with one function is expected: run Triton's inliner first");
  scan_.expect("}");
  if (!scan_.at_end()) scan_.fail("nothing is expected behind the module");
  return std::move(module_);
}

}  // namespace

std::unique_ptr<Module> parse(std::string_view text) {
  if (text.size() > kMaxText) fl::fail(FL_INVALID_ARGUMENT, "line 1, column 1: the module is larger than 64 MiB");
  return Parser(text).run();
}

}  // namespace fl::ttir
