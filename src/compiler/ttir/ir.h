// Tile IR in memory: one function of blocks of operations on values, as the text has it. Owned by a Module; values,
// operations and blocks live as long as it and are referred to by plain pointers. Nothing here checks anything: the
// parser builds it, verifier.h judges it.
#ifndef FLAGOS_COMPILER_TTIR_IR_H_
#define FLAGOS_COMPILER_TTIR_IR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/ttir/type.h"

namespace fl::ttir {

enum class Op : uint8_t {
#define FL_TTIR_OP(enumerator, name, syntax, rule, effect) enumerator,
#include "compiler/ttir/ops.def"
#undef FL_TTIR_OP
};

enum class Syntax : uint8_t { kUnary, kBinary, kTernary, kCastTo, kConvert, kCompare, kOwn };
enum class Rule : uint8_t {
  kSameInt,
  kSameFloat,
  kSameAny,
  kCastIntUp,
  kCastIntDown,
  kCastFloatUp,
  kCastFloatDown,
  kCastIntToFloat,
  kCastFloatToInt,
  kCastBits,
  kOwn
};
enum class Effect : uint8_t { kPure, kRead, kWrite, kControl };

struct OpRow {
  const char* name;
  Syntax syntax;
  Rule rule;
  Effect effect;
};
const OpRow& row_of(Op op);
inline const char* name_of(Op op) { return row_of(op).name; }
bool op_from_name(std::string_view name, Op* op);

struct Location {
  int line = 0;  // 1-based, in the text that was parsed
  int column = 0;
};

struct Operation;
struct Block;
struct Region;

struct Value {
  Type type;
  Operation* producer = nullptr;  // null for a block argument
  Block* owner = nullptr;         // of a block argument
  int index = 0;                  // among the producer's results or the block's arguments
  std::string name;               // as written, without '%' and '#n'
};

struct Operation {
  Op op{};
  Location where;
  Block* parent = nullptr;
  std::vector<Value*> operands;
  std::vector<Value*> results;
  std::vector<Region*> regions;
  std::vector<Block*> successors;            // cf.br, cf.cond_br
  std::map<std::string, int64_t> integers;   // axis, start, end, reverse, ...
  std::map<std::string, std::string> words;  // predicate, symbol, cacheModifier, ...
  std::vector<int64_t> order;                // of tt.trans; of tt.print, whether each operand is signed
  uint64_t constant = 0;                     // bit pattern of an element of arith.constant

  int64_t integer(const std::string& key, int64_t otherwise = 0) const {
    auto found = integers.find(key);
    return found == integers.end() ? otherwise : found->second;
  }
  std::string word(const std::string& key) const {
    auto found = words.find(key);
    return found == words.end() ? std::string() : found->second;
  }
  Value* result() const { return results.front(); }
};

// Whether each element of the results is made of one element of each operand, at a place that follows from its own by
// the shapes alone: arithmetic, and what repeats or rearranges a block. Not what knows its place (tt.make_range), joins
// or splits blocks, reads computed places, or sums. A load is not pure: whoever may move one asks for it beside this.
bool maps_elements(const Operation& op);

struct Block {
  std::string label;  // "bb1"; empty for the first block of a region without a header
  Region* parent = nullptr;
  std::vector<Value*> arguments;
  std::vector<Operation*> operations;
  const Operation* terminator() const { return operations.empty() ? nullptr : operations.back(); }
};

struct Region {
  Operation* parent = nullptr;  // null for the function's body
  std::vector<Block*> blocks;
  Block& entry() const { return *blocks.front(); }
};

struct Function {
  std::string name;
  Location where;
  Region* body = nullptr;
  const std::vector<Value*>& arguments() const { return body->entry().arguments; }
};

class Module {
 public:
  Function function;

  Value* new_value() { return values_.emplace_back(std::make_unique<Value>()).get(); }
  Operation* new_operation() { return operations_.emplace_back(std::make_unique<Operation>()).get(); }
  Block* new_block() { return blocks_.emplace_back(std::make_unique<Block>()).get(); }
  Region* new_region() { return regions_.emplace_back(std::make_unique<Region>()).get(); }

 private:
  std::vector<std::unique_ptr<Value>> values_;
  std::vector<std::unique_ptr<Operation>> operations_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::unique_ptr<Region>> regions_;
};

}  // namespace fl::ttir

#endif  // FLAGOS_COMPILER_TTIR_IR_H_
