// The parser's inside: one small function a piece of syntax. parser.cc holds the structure of modules, regions and
// blocks, parser_types.cc types and attributes, parser_operations.cc one function a form of operation.
#ifndef FLAGOS_COMPILER_TTIR_PARSER_STATE_H_
#define FLAGOS_COMPILER_TTIR_PARSER_STATE_H_

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compiler/ttir/ir.h"
#include "compiler/ttir/scanner.h"

namespace fl::ttir {

inline constexpr size_t kMaxText = size_t{64} << 20;
inline constexpr int kMaxNesting = 64;  // of regions; real kernels stay below ten

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

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_PARSER_STATE_H_
