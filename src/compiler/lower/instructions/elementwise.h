// Operations that work on each element by itself, as LLVM instructions on `width` lanes (1: a scalar). Operands are
// texts of LLVM operands of that width. It knows nothing of loops, blocks or masks.
//
// Notes that hold here: lanes that a mask switched off still compute, so nothing may trap (integer division guards its
// divisor); numbers of 16 bits are computed in f32 and rounded once an operation; `llvm.maximumnum` is never written,
// since the code generator of LLVM 22 gets it wrong.
#ifndef FLAGOS_COMPILER_LOWER_INSTRUCTIONS_ELEMENTWISE_H_
#define FLAGOS_COMPILER_LOWER_INSTRUCTIONS_ELEMENTWISE_H_

#include <string>
#include <vector>

#include "compiler/lower/text/llvm_text.h"
#include "compiler/target.h"
#include "compiler/ttir/ir.h"

namespace fl::compiler {

class Elementwise {
 public:
  Elementwise(LlvmModule& module, const Target& target) : module_(module), target_(target) {}

  // An Error of FL_UNSUPPORTED names an operation, or an extern symbol, that cannot be lowered.
  std::string emit(const ttir::Operation& op, const std::vector<std::string>& operands, int width, Stream& out);

  // The pieces that other lowerings use too.
  std::string binary(const char* instruction, const Type& element, const std::string& a, const std::string& b,
                     int width, Stream& out);
  std::string intrinsic(const char* name, const Type& element, const std::vector<std::string>& operands, int width,
                        Stream& out);
  std::string convert(const char* instruction, const Type& from, const Type& to, const std::string& value, int width,
                      Stream& out);
  std::string compare(const char* instruction, const std::string& predicate, const Type& element, const std::string& a,
                      const std::string& b, int width, Stream& out);
  std::string select(const Type& element, const std::string& condition, const std::string& a, const std::string& b,
                     int width, Stream& out);
  std::string constant(double value, Scalar scalar, int width);
  std::string integer(int64_t value, Scalar scalar, int width);
  // Rounds to nearest even.
  std::string cast_float(const Type& from, const Type& to, const std::string& value, int width, Stream& out);
  std::string toward_zero(const Type& from, const Type& to, const std::string& value, int width, Stream& out);

 private:
  std::string sign_change(const ttir::Operation& op, const std::vector<std::string>& operands, int width, Stream& out);
  std::string emit_wide(ttir::Op op, const ttir::Operation& source, const Type& element,
                        const std::vector<std::string>& operands, int width, Stream& out);
  std::string divide(const ttir::Operation& op, const std::vector<std::string>& operands, int width, Stream& out);
  std::string cast(const ttir::Operation& op, const std::string& value, int width, Stream& out);
  std::string to_integer(const Type& from, const Type& to, bool is_signed, const std::string& value, int width,
                         Stream& out);
  std::string library(const std::string& function, const Type& element, const std::vector<std::string>& operands,
                      const std::vector<Type>& types, int width, Stream& out);
  std::string from_float8(Scalar from, const std::string& value, int width, Stream& out);  // to f32
  std::string to_float8(Scalar to, const std::string& value, int width, Stream& out);      // from f32
  std::string external(const ttir::Operation& op, const std::vector<std::string>& operands, int width, Stream& out);

  LlvmModule& module_;
  const Target& target_;
  friend class VectorMath;
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_INSTRUCTIONS_ELEMENTWISE_H_
