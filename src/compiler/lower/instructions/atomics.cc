#include "compiler/lower/instructions/atomics.h"

#include "base/error.h"

namespace fl::compiler {
namespace {

const char* ordering(const std::string& word) {
  if (word == "relaxed") return "monotonic";
  if (word == "acquire") return "acquire";
  return word == "release" ? "release" : "acq_rel";
}

const char* instruction(const std::string& kind) {
  static constexpr struct {
    const char* kind;
    const char* name;
  } kRows[] = {{"and", "and"}, {"or", "or"},   {"xor", "xor"},   {"add", "add"},   {"fadd", "fadd"},
               {"max", "max"}, {"min", "min"}, {"umax", "umax"}, {"umin", "umin"}, {"exch", "xchg"}};
  for (const auto& row : kRows)
    if (kind == row.kind) return row.name;
  fail(FL_UNSUPPORTED, "the atomic operation '%s' is not lowered", kind.c_str());
}

// A sum of bf16 is computed in f32 and rounded once; no processor adds it atomically, so it is exchanged until nobody
// came between.
std::string add_bf16(LlvmModule& module, Elementwise& ops, const std::string& pointer, const std::string& addend,
                     const std::string& order, const std::string& failure, Stream& out) {
  const Type narrow = Type::of(Scalar::kBF16);
  const Type wide = Type::of(Scalar::kF32);
  const std::string more = ops.cast_float(narrow, wide, addend, 1, out);
  const std::string first = module.fresh();
  out.line(first + " = load atomic i16, ptr " + pointer + " monotonic, align 2");
  const std::string from = out.label;
  const std::string loop = module.fresh_label();
  const std::string done = module.fresh_label();
  out.line("br label %" + loop);
  out.open(loop);
  const std::string seen = module.fresh();
  const std::string found = module.fresh();
  out.line(seen + " = phi i16 [ " + first + ", %" + from + " ], [ " + found + ", %" + loop + " ]");
  const std::string sum = ops.binary("fadd", wide, ops.cast_float(narrow, wide, seen, 1, out), more, 1, out);
  const std::string pair = module.fresh();
  out.line(pair + " = cmpxchg ptr " + pointer + ", i16 " + seen + ", i16 " + ops.cast_float(wide, narrow, sum, 1, out) +
           " " + order + " " + failure);
  out.line(found + " = extractvalue { i16, i1 } " + pair + ", 0");
  const std::string exchanged = module.fresh();
  out.line(exchanged + " = extractvalue { i16, i1 } " + pair + ", 1");
  out.line("br i1 " + exchanged + ", label %" + done + ", label %" + loop);
  out.open(done);
  return seen;
}

}  // namespace

std::string atomic_element(LlvmModule& module, Elementwise& ops, const ttir::Operation& op,
                           const std::vector<std::string>& operands, const std::string& mask, Stream& out) {
  const Type element = op.result()->type.element();
  const std::string type = llvm_type(element, 1);
  const std::string before = out.label;
  const std::string on = module.fresh_label();
  const std::string join = module.fresh_label();
  if (!mask.empty()) {
    out.line("br i1 " + mask + ", label %" + on + ", label %" + join);
    out.open(on);
  }
  const std::string pointer = module.fresh();
  out.line(pointer + " = inttoptr i64 " + operands[0] + " to ptr");
  const std::string order = ordering(op.word("order"));
  const std::string failure = order == "release" || order == "monotonic" ? "monotonic" : "acquire";
  std::string old = module.fresh();
  if (element.scalar == Scalar::kBF16 && op.op == ttir::Op::kAtomicRmw && op.word("kind") == "fadd") {
    old = add_bf16(module, ops, pointer, operands[1], order, failure, out);
  } else if (op.op == ttir::Op::kAtomicRmw) {
    out.line(old + " = atomicrmw " + instruction(op.word("kind")) + " ptr " + pointer + ", " + type + " " +
             operands[1] + " " + order);
  } else {  // compared as bits
    const Type bits = Type::of(ttir::bits_of(element.scalar) == 64   ? Scalar::kI64
                               : ttir::bits_of(element.scalar) == 32 ? Scalar::kI32
                               : ttir::bits_of(element.scalar) == 16 ? Scalar::kI16
                                                                     : Scalar::kI8);
    std::string expected = operands[1];
    std::string desired = operands[2];
    const bool convert = llvm_type(bits, 1) != type;
    if (convert) {
      expected = ops.convert("bitcast", element, bits, expected, 1, out);
      desired = ops.convert("bitcast", element, bits, desired, 1, out);
    }
    const std::string pair = module.fresh();
    out.line(pair + " = cmpxchg ptr " + pointer + ", " + llvm_type(bits, 1) + " " + expected + ", " +
             llvm_type(bits, 1) + " " + desired + " " + order + " " + failure);
    out.line(old + " = extractvalue { " + llvm_type(bits, 1) + ", i1 } " + pair + ", 0");
    if (convert) old = ops.convert("bitcast", bits, element, old, 1, out);
  }
  if (mask.empty()) return old;
  const std::string after = out.label;
  out.line("br label %" + join);
  out.open(join);
  const std::string result = module.fresh();
  out.line(result + " = phi " + type + " [ " + old + ", %" + after + " ], [ " + llvm_constant(0, element.scalar) +
           ", %" + before + " ]");
  return result;
}

}  // namespace fl::compiler
