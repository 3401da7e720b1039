// Addresses, loads and stores in LLVM text, for code that is written by hand rather than made of a tile IR: distances
// are in bytes.
#ifndef FLAGOS_COMPILER_LOWER_TEXT_MEMORY_TEXT_H_
#define FLAGOS_COMPILER_LOWER_TEXT_MEMORY_TEXT_H_

#include <cstdint>
#include <string>

#include "compiler/lower/instructions/elementwise.h"
#include "compiler/lower/text/llvm_text.h"

namespace fl::compiler {

class MemoryText {
 public:
  MemoryText(LlvmModule& module, Elementwise& ops) : module_(module), ops_(ops) {}

 protected:
  // base + index * bytes, index an i64, bytes a number or an i64.
  std::string offset_by(Stream& out, const std::string& base, const std::string& index, const std::string& bytes) {
    return beyond(out, base, ops_.binary("mul", Type::of(Scalar::kI64), index, bytes, 1, out));
  }
  std::string offset_by(Stream& out, const std::string& base, const std::string& index, int64_t bytes) {
    return offset_by(out, base, index, std::to_string(bytes));
  }
  std::string beyond(Stream& out, const std::string& base, const std::string& bytes) {
    const std::string place = module_.fresh();
    out.line(place + " = getelementptr i8, ptr " + base + ", i64 " + bytes);
    return place;
  }
  std::string beyond(Stream& out, const std::string& base, int64_t bytes) {
    return bytes == 0 ? base : beyond(out, base, std::to_string(bytes));
  }
  std::string load(Stream& out, const std::string& type, const std::string& base, int64_t bytes, int64_t alignment) {
    const std::string place = beyond(out, base, bytes);
    const std::string value = module_.fresh();
    out.line(value + " = load " + type + ", ptr " + place + ", align " + std::to_string(alignment));
    return value;
  }
  void store(Stream& out, const std::string& type, const std::string& value, const std::string& base, int64_t bytes,
             int64_t alignment) {
    const std::string place = beyond(out, base, bytes);
    out.line("store " + type + " " + value + ", ptr " + place + ", align " + std::to_string(alignment));
  }
  // The value in each lane of a vector.
  std::string splat(Stream& out, const std::string& value, const std::string& type, int lanes) {
    const std::string vector = "<" + std::to_string(lanes) + " x " + type + ">";
    const std::string first = module_.fresh();
    out.line(first + " = insertelement " + vector + " poison, " + type + " " + value + ", i32 0");
    const std::string all = module_.fresh();
    out.line(all + " = shufflevector " + vector + " " + first + ", " + vector + " poison, <" + std::to_string(lanes) +
             " x i32> zeroinitializer");
    return all;
  }

  LlvmModule& module_;
  Elementwise& ops_;
};

}  // namespace fl::compiler

#endif  // FLAGOS_COMPILER_LOWER_TEXT_MEMORY_TEXT_H_
