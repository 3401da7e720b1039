// Types and attributes of TTIR's text.

#include "compiler/ttir/parser_state.h"

namespace fl::ttir {

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
    if (name == "order" || name == "isSigned") op->order = std::move(values);
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

}  // namespace fl::ttir
