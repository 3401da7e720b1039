// One row times a matrix whose columns are contiguous, read where both lie: bound by memory, so that several columns
// are read side by side and nothing is packed.

#include "base/text.h"
#include "compiler/lower/dot/code.h"
#include "compiler/lower/text/counted_loop.h"
#include "compiler/lower/text/memory_text.h"

namespace fl::compiler {
namespace {

const Type kI64 = Type::of(Scalar::kI64);
const Type kF32 = Type::of(Scalar::kF32);
constexpr int kColumns = 4;  // 1 to 8 are within 10 %
constexpr int kUnroll = 2;

class RowProduct : MemoryText {
 public:
  RowProduct(LlvmModule& module, Elementwise& ops, Scalar factor, int lanes, bool fused)
      : MemoryText(module, ops),
        factor_(factor),
        lanes_(lanes),
        fused_(fused),
        size_(ttir::bytes_of(factor)),
        sums_(formatted("<%d x float>", lanes)) {}

  std::string function() {
    const std::string name = formatted("@fl.dot.row.%s.%d%s", ttir::name_of(factor_), lanes_, fused_ ? "" : ".rounded");
    if (module_.defined(name)) return name;
    Stream out;
    out.open("entry");
    std::vector<Carried> none;
    const std::string last = ops_.binary("sub", kI64, "%columns", "1", 1, out);
    counted_loop(module_, ops_, out, "0", "%columns", kColumns, true, &none,
                 [&](Stream& body, const std::string& column) { columns(body, column, last); });
    out.line("ret void");
    module_.define_once(name, "define internal void " + name +
                                  "(ptr %left, ptr %right, i64 %pitch, ptr %sums, i64 %depth, i64 %columns, i1 %fresh) "
                                  "noinline nounwind {\n" +
                                  out.text + "}\n");
    return name;
  }

 private:
  void columns(Stream& out, const std::string& column, const std::string& last) {
    std::vector<std::string> places;
    for (int c = 0; c < kColumns; ++c) {
      const std::string own = ops_.binary("add", kI64, column, std::to_string(c), 1, out);
      places.push_back(offset_by(out, "%right", ops_.intrinsic("smin", kI64, {own, last}, 1, out), "%pitch"));
    }
    std::vector<Carried> sums(kColumns * kUnroll, {sums_, splat_constant(zero(), Scalar::kF32, false, lanes_)});
    counted_loop(module_, ops_, out, "0", "%depth", kUnroll * lanes_, false, &sums,
                 [&](Stream& body, const std::string& k) {
                   const std::string along = ops_.binary("mul", kI64, k, std::to_string(size_), 1, body);
                   const std::string left = beyond(body, "%left", along);
                   for (int u = 0; u < kUnroll; ++u) {
                     const std::string a = strip(body, left, u);
                     for (int c = 0; c < kColumns; ++c) {
                       const auto own = static_cast<size_t>(c);
                       std::string& sum = sums[own * kUnroll + static_cast<size_t>(u)].current;
                       const std::string b = strip(body, beyond(body, places[own], along), u);
                       sum = multiply_add(body, a, b, sum);
                     }
                   }
                 });
    const std::string reduce = formatted("@llvm.vector.reduce.fadd.v%df32", lanes_);
    module_.declare("float " + reduce + "(float, " + sums_ + ")");
    for (size_t c = 0; c < kColumns; ++c) {
      static_assert(kUnroll == 2);
      const std::string both =
          ops_.binary("fadd", kF32, sums[c * kUnroll].current, sums[c * kUnroll + 1].current, lanes_, out);
      const std::string sum = module_.fresh();
      out.line(sum + " = call reassoc float " + reduce + "(float -0.0, " + sums_ + " " + both + ")");
      const std::string place = offset_by(out, beyond(out, "%sums", static_cast<int64_t>(4 * c)), column, 4);
      const std::string before = ops_.select(kF32, "%fresh", zero(), load(out, "float", place, 0, 4), 1, out);
      store(out, "float", ops_.binary("fadd", kF32, sum, before, 1, out), place, 0, 4);
    }
  }

  // What a sum begins with: a dot's is a zero, where nothing else is said; that of an addition changes nothing.
  std::string zero() const { return llvm_float(fused_ ? 0.0 : -0.0); }

  std::string multiply_add(Stream& out, const std::string& a, const std::string& b, const std::string& sum) {
    if (fused_) return ops_.intrinsic("fma", kF32, {a, b, sum}, lanes_, out);
    return ops_.binary("fadd", kF32, sum, ops_.binary("fmul", kF32, a, b, lanes_, out), lanes_, out);
  }

  // So many elements, widened to f32.
  std::string strip(Stream& out, const std::string& base, int index) {
    const std::string type = llvm_type(Type::of(factor_), lanes_);
    const std::string value = load(out, type, base, index * lanes_ * size_, size_);
    return factor_ == Scalar::kF32 ? value : ops_.cast_float(Type::of(factor_), kF32, value, lanes_, out);
  }

  Scalar factor_;
  int lanes_;
  bool fused_;
  int64_t size_;
  std::string sums_;
};

}  // namespace

std::string row_function(LlvmModule& module, Elementwise& ops, Scalar factor, int lanes, bool fused) {
  return RowProduct(module, ops, factor, lanes, fused).function();
}

int64_t row_depth(int lanes) { return kUnroll * lanes; }

}  // namespace fl::compiler
