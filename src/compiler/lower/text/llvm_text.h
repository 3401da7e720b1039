// Writing LLVM IR as text: types, constants, names and declarations. The text goes to a code generator that ends the
// process on a mistake, so everything that is written passes through these few functions. It knows nothing of tiles.
//
// Pointers of tile IR are 64-bit integers here until memory is touched: address arithmetic is then plain arithmetic.
#ifndef FLAGOS_COMPILER_LOWER_TEXT_LLVM_TEXT_H_
#define FLAGOS_COMPILER_LOWER_TEXT_LLVM_TEXT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compiler/ttir/type.h"

namespace fl::compiler {

using ttir::Scalar;
using ttir::Type;

// "float", "<16 x float>", "i64" for a pointer. Width 1 is a scalar. fp8 is i8 and bf16 is i16: CPUs without bf16 would
// otherwise call a runtime library to move one about.
std::string llvm_type(Scalar scalar, bool pointer, int width);
inline std::string llvm_type(const Type& element, int width) {
  return llvm_type(element.scalar, element.pointer, width);
}

// A constant of an element type from its bit pattern: "1", "0x3FF0000000000000", "true".
std::string llvm_constant(uint64_t bits, Scalar scalar);
std::string llvm_float(double value, Scalar scalar = Scalar::kF32);
inline bool is_constant(const std::string& operand) { return operand.front() != '%' && operand.front() != '@'; }
// The constant as an operand of `width` lanes: "splat (float 0x3FF0000000000000)".
std::string splat_constant(const std::string& constant, Scalar scalar, bool pointer, int width);

// <0, factor, 2 * factor, ...> of an integer type: "<i64 0, i64 4>".
std::string lane_multiples(int width, const std::string& type, int64_t factor);

// What the whole module shares.
class LlvmModule {
 public:
  std::string fresh() { return "%t" + std::to_string(next_++); }
  std::string fresh_label() { return "l" + std::to_string(next_++); }
  // Declares a function once: signature "float @llvm.sqrt.f32(float)".
  void declare(const std::string& signature) { declarations_[signature] = true; }
  // Adds a function's text once.
  bool define_once(const std::string& name, const std::string& text) {
    return functions_.try_emplace(name, text).second;
  }
  bool defined(const std::string& name) const { return functions_.contains(name); }
  std::string text(const std::string& kernel) const;

 private:
  int next_ = 0;
  std::map<std::string, bool> declarations_;
  std::map<std::string, std::string> functions_;
};

// Straight-line code, or several basic blocks of which the last one is open. `label` is the name of that last block as
// a phi must write it.
struct Stream {
  std::string text;
  std::string label;

  void line(const std::string& instruction) { text += "  " + instruction + "\n"; }
  void open(const std::string& new_label) {
    text += new_label + ":\n";
    label = new_label;
  }
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_TEXT_LLVM_TEXT_H_
