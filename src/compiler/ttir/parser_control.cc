// Control flow and operations with regions in TTIR's text.

#include "compiler/ttir/parser_state.h"

namespace fl::ttir {

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

}  // namespace fl::ttir
