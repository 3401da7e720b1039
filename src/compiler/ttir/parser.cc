#include "compiler/ttir/parser.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "compiler/ttir/float_bits.h"
#include "compiler/ttir/parser_state.h"

namespace fl::ttir {

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

// ---- Operations ----

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

std::unique_ptr<Module> parse(std::string_view text) {
  if (text.size() > kMaxText) fl::fail(FL_INVALID_ARGUMENT, "line 1, column 1: the module is larger than 64 MiB");
  return Parser(text).run();
}

}  // namespace fl::ttir
