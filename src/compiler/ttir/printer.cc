#include "compiler/ttir/printer.h"

#include <unordered_map>

#include "base/text.h"
#include "compiler/ttir/float_bits.h"

namespace fl::ttir {
namespace {

class Printer {
 public:
  std::string run(const Module& module);

 private:
  void operation(const Operation& op, int indent);
  void region(const Region& region, int indent, bool header_known);
  void body(const Operation& op, int indent);
  void loop(const Operation& op, int indent);
  void generic(const Operation& op, int indent);
  std::string name(const Value* value);
  std::string names(const std::vector<Value*>& values, size_t first = 0);
  std::string types(const std::vector<Value*>& values, size_t first = 0);
  std::string signature(const Operation& op);
  std::string carried(const Operation& op, size_t first_argument, size_t first_operand);
  std::string constant(const Operation& op);
  static std::string policies(const Operation& op);
  static std::string quoted(const std::string& text);

  void line(int indent, const std::string& text) {
    out_ += std::string(static_cast<size_t>(indent) * 2, ' ') + text + "\n";
  }

  std::string out_;
  std::unordered_map<const Value*, int> numbers_;
};

std::string list(const std::vector<Type>& types) {
  std::string text;
  for (const Type& type : types) text += (text.empty() ? "" : ", ") + to_string(type);
  return text;
}

// How tt.print shows its operands.
std::string print_format(const Operation& op) {
  std::string text = std::string(" {hex = ") + (op.integer("hex") != 0 ? "true" : "false");
  for (size_t i = 0; i < op.order.size(); ++i)
    text += (i > 0 ? ", " : ", isSigned = array<i32: ") + std::to_string(op.order[i]);
  return text + (op.order.empty() ? "}" : ">}");
}

std::string Printer::name(const Value* value) {
  auto [found, added] = numbers_.try_emplace(value, static_cast<int>(numbers_.size()));
  return formatted("%%v%d", found->second);
}

std::string Printer::names(const std::vector<Value*>& values, size_t first) {
  std::string text;
  for (size_t i = first; i < values.size(); ++i) text += (i > first ? ", " : "") + name(values[i]);
  return text;
}

std::string Printer::types(const std::vector<Value*>& values, size_t first) {
  std::vector<Type> all;
  for (size_t i = first; i < values.size(); ++i) all.push_back(values[i]->type);
  return list(all);
}

std::string Printer::signature(const Operation& op) {
  return " : (" + types(op.operands) + ") -> (" + types(op.results) + ")";
}

std::string Printer::quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\' || c < ' ') {
      out += formatted("\\%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Printer::constant(const Operation& op) {
  const Type& type = op.result()->type;
  std::string value;
  if (type.is(Scalar::kI1)) return op.constant != 0 ? "true" : "false";
  if (type.scalar == Scalar::kI1) {
    value = op.constant != 0 ? "true" : "false";
  } else if (type.holds_float()) {
    value = formatted("0x%llX", static_cast<unsigned long long>(op.constant));
  } else {
    value = std::to_string(sign_extended(op.constant, bits_of(type.scalar)));
  }
  return (type.tensor ? "dense<" + value + ">" : value) + " : " + to_string(type);
}

std::string Printer::policies(const Operation& op) {
  std::string text;
  for (const char* key : {"cacheModifier", "evictionPolicy"}) {
    if (!op.word(key).empty()) text += std::string(" ") + key + " = " + op.word(key);
  }
  return text + (op.integer("isVolatile") ? " {isVolatile = true}" : "");
}

std::string Printer::carried(const Operation& op, size_t first_argument, size_t first_operand) {
  std::string text;
  const auto& arguments = op.regions.front()->entry().arguments;
  for (size_t i = first_operand; i < op.operands.size(); ++i) {
    text +=
        (text.empty() ? "" : ", ") + name(arguments[first_argument + i - first_operand]) + " = " + name(op.operands[i]);
  }
  return "(" + text + ")";
}

void Printer::region(const Region& region, int indent, bool header_known) {
  for (const Block* block : region.blocks) {
    if (block != region.blocks.front() || !header_known) {
      std::string arguments;
      for (const Value* value : block->arguments) {
        arguments += (arguments.empty() ? "" : ", ") + name(value) + ": " + to_string(value->type);
      }
      line(indent, "^" + (block->label.empty() ? "bb0" : block->label) +
                       (arguments.empty() ? "" : "(" + arguments + ")") + ":");
    }
    for (const Operation* op : block->operations) operation(*op, indent + 1);
  }
}

void Printer::operation(const Operation& op, int indent) {
  const size_t start = out_.size();
  body(op, indent);
  if (op.results.empty()) return;
  // The operation's text may hold regions: the names of the results go in front of its first line.
  const std::string prefix = names(op.results) + " = ";
  out_.insert(start + static_cast<size_t>(indent) * 2, prefix);
}

void Printer::generic(const Operation& op, int indent) {
  std::string head =
      quoted(name_of(op.op)) + "(" + names(op.operands) + ") <{axis = " + std::to_string(op.integer("axis")) + " : i32";
  if (op.op == Op::kScan) head += std::string(", reverse = ") + (op.integer("reverse") ? "true" : "false");
  line(indent, head + "}> ({");
  region(*op.regions.front(), indent, false);
  line(indent, "})" + signature(op));
}

void Printer::loop(const Operation& op, int indent) {
  const Block& entry = op.regions.front()->entry();
  std::string text = "scf.for " + name(entry.arguments[0]) + " = " + name(op.operands[0]) + " to " +
                     name(op.operands[1]) + " step " + name(op.operands[2]);
  if (!op.results.empty()) text += " iter_args" + carried(op, 1, 3) + " -> (" + types(op.results) + ")";
  line(indent, text + " : " + to_string(op.operands[0]->type) + " {");
  region(*op.regions.front(), indent, true);
  line(indent, "}");
}

void Printer::body(const Operation& op, int indent) {
  const OpRow& row = row_of(op.op);
  std::string text = row.name;
  text += " ";
  switch (row.syntax) {
    case Syntax::kUnary:
    case Syntax::kBinary:
    case Syntax::kTernary:
      if (!op.word("propagateNan").empty()) {
        return line(indent, text + names(op.operands) + ", propagateNan = " + op.word("propagateNan") + " : " +
                                to_string(op.result()->type));
      }
      return line(indent, text + names(op.operands) + " : " + to_string(op.result()->type));
    case Syntax::kCastTo:
      return line(indent, text + names(op.operands) + " : " + types(op.operands) + " to " + types(op.results));
    case Syntax::kConvert:
      return line(indent, text + names(op.operands) + " : " + types(op.operands) + " -> " + types(op.results));
    case Syntax::kCompare:
      return line(indent,
                  text + op.word("predicate") + ", " + names(op.operands) + " : " + to_string(op.operands[0]->type));
    case Syntax::kOwn:
      break;
  }
  switch (op.op) {
    case Op::kConstant:
      return line(indent, text + constant(op));
    case Op::kSelect: {
      const bool blocks = op.operands[0]->type.tensor;
      return line(indent, text + names(op.operands) + " : " + (blocks ? to_string(op.operands[0]->type) + ", " : "") +
                              types(op.results));
    }
    case Op::kProgramId:
    case Op::kNumPrograms:
      return line(indent, text + op.word("axis") + " : i32");
    case Op::kMakeRange:
      return line(indent,
                  text +
                      formatted("{end = %lld : i32, start = %lld : i32} : ", static_cast<long long>(op.integer("end")),
                                static_cast<long long>(op.integer("start"))) +
                      types(op.results));
    case Op::kExpandDims:
      return line(indent, text + names(op.operands) + " {axis = " + std::to_string(op.integer("axis")) +
                              " : i32} : " + types(op.operands) + " -> " + types(op.results));
    case Op::kTrans: {
      std::string order;
      for (int64_t axis : op.order) order += (order.empty() ? "" : ", ") + std::to_string(axis);
      return line(indent, text + names(op.operands) + " {order = array<i32: " + order + ">} : " + types(op.operands) +
                              " -> " + types(op.results));
    }
    case Op::kReshape:
      return line(indent, text + names(op.operands) + (op.integer("allow_reorder") ? " allow_reorder" : "") +
                              (op.integer("efficient_layout") ? " efficient_layout" : "") + " : " + types(op.operands) +
                              " -> " + types(op.results));
    case Op::kFpToFp:
      return line(indent, text + names(op.operands) +
                              (op.word("rounding").empty() ? "" : ", rounding = " + op.word("rounding")) + " : " +
                              types(op.operands) + " -> " + types(op.results));
    case Op::kAddPtr:
      return line(indent, text + names(op.operands) + " : " + types(op.operands));
    case Op::kJoin:
    case Op::kCat:
      return line(indent,
                  text + names(op.operands) + " : " + to_string(op.operands[0]->type) + " -> " + types(op.results));
    case Op::kSplit:
      return line(indent,
                  text + names(op.operands) + " : " + types(op.operands) + " -> " + to_string(op.result()->type));
    case Op::kHistogram:
      return line(indent, text + names(op.operands) + " : " + types(op.operands) + " -> " + types(op.results));
    case Op::kGather:
      return line(indent, text + name(op.operands[0]) + "[" + name(op.operands[1]) +
                              "] {axis = " + std::to_string(op.integer("axis")) + " : i32}" + signature(op));
    case Op::kExtern:
      return line(indent, text + names(op.operands) + " {pure = " + (op.integer("pure") ? "true" : "false") +
                              ", symbol = " + quoted(op.word("symbol")) + "}" + signature(op));
    case Op::kDot: {
      if (!op.word("inputPrecision").empty())
        text = text + names(op.operands) + ", inputPrecision = " + op.word("inputPrecision");
      else
        text += names(op.operands);
      if (op.integers.contains("maxNumImpreciseAcc")) {
        text += ", maxNumImpreciseAcc = " + std::to_string(op.integer("maxNumImpreciseAcc")) + " : i32";
      }
      return line(indent, text + " : " + to_string(op.operands[0]->type) + " * " + to_string(op.operands[1]->type) +
                              " -> " + types(op.results));
    }
    case Op::kLoad:
    case Op::kStore:
      return line(indent, text + names(op.operands) + policies(op) + " : " + to_string(op.operands[0]->type));
    case Op::kAtomicRmw:
      return line(indent, text + op.word("kind") + ", " + op.word("order") + ", " + op.word("scope") + ", " +
                              names(op.operands) + signature(op));
    case Op::kAtomicCas:
      return line(indent,
                  text + op.word("order") + ", " + op.word("scope") + ", " + names(op.operands) + signature(op));
    case Op::kPrint:
      return line(indent, text + quoted(op.word("prefix")) + print_format(op) +
                              (op.operands.empty() ? "" : " : " + names(op.operands) + " : " + types(op.operands)));
    case Op::kAssert:
      return line(indent, text + names(op.operands) + ", " + quoted(op.word("message")) + " : " + types(op.operands));
    case Op::kAssume:
      return line(indent, text + names(op.operands) + " : " + types(op.operands));
    case Op::kBarrier:
      return line(indent, row.name);
    case Op::kReduce:
    case Op::kScan:
      return generic(op, indent);
    case Op::kFor:
      return loop(op, indent);
    case Op::kIf:
      line(indent, text + names(op.operands) + (op.results.empty() ? "" : " -> (" + types(op.results) + ")") + " {");
      region(*op.regions[0], indent, true);
      if (op.regions.size() > 1) {
        line(indent, "} else {");
        region(*op.regions[1], indent, true);
      }
      return line(indent, "}");
    case Op::kWhile:
      line(indent, text + carried(op, 0, 0) + signature(op) + " {");
      region(*op.regions[0], indent, true);
      line(indent, "} do {");
      region(*op.regions[1], indent, false);
      return line(indent, "}");
    case Op::kCondition:
      return line(indent,
                  text + "(" + name(op.operands[0]) + ")" +
                      (op.operands.size() > 1 ? " " + names(op.operands, 1) + " : " + types(op.operands, 1) : ""));
    case Op::kBranch:
      return line(indent, text + "^" + op.successors[0]->label);
    case Op::kCondBranch:
      return line(indent,
                  text + name(op.operands[0]) + ", ^" + op.successors[0]->label + ", ^" + op.successors[1]->label);
    default:  // yields and returns
      return line(indent,
                  row.name + (op.operands.empty() ? "" : " " + names(op.operands) + " : " + types(op.operands)));
  }
}

std::string Printer::run(const Module& module) {
  const Function& function = module.function;
  std::string arguments;
  for (const Value* value : function.arguments()) {
    arguments += (arguments.empty() ? "" : ", ") + name(value) + ": " + to_string(value->type);
  }
  line(0, "module {");
  line(1, "tt.func public @\"" + function.name + "\"(" + arguments + ") {");
  region(*function.body, 1, true);
  line(1, "}");
  line(0, "}");
  return out_;
}

}  // namespace

std::string print(const Module& module) { return Printer().run(module); }

}  // namespace fl::ttir
