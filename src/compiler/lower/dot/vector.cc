// Products with vector instructions: a tile of rows by a panel of columns, its sums in registers for all of K. A row's
// lane is broadcast and multiplied with each vector of the panel.

#include "base/text.h"
#include "compiler/lower/dot/code.h"
#include "compiler/lower/text/counted_loop.h"
#include "compiler/lower/text/memory_text.h"

namespace fl::compiler {
namespace {

const Type kI64 = Type::of(Scalar::kI64);
const char* name_of(Multiply multiply) {
  switch (multiply) {
    case Multiply::kFma:
      return "fma";
    case Multiply::kInteger:
      return "integer";
    case Multiply::kPairs16:
      return "pairs16";
    case Multiply::kQuads8:
      return "quads8";
    case Multiply::kPairsBf16:
      return "pairs_bf16";
    case Multiply::kAmxBf16:
      return "amx_bf16";
    case Multiply::kAmxInt8:
      return "amx_int8";
  }
  return "";
}

class VectorProduct : MemoryText {
 public:
  VectorProduct(LlvmModule& module, Elementwise& ops, const DotPlan& plan) : MemoryText(module, ops), plan_(plan) {
    sums_ = llvm_type(Type::of(plan.sum), plan.lanes);
    switch (plan.multiply) {
      case Multiply::kFma:
      case Multiply::kInteger:
        lane_ = llvm_type(Type::of(plan.sum), 1);
        factor_ = sums_;
        break;
      case Multiply::kPairs16:
        factor_ = formatted("<%d x i16>", 2 * plan.lanes);
        break;
      case Multiply::kPairsBf16:
        factor_ = formatted("<%d x bfloat>", 2 * plan.lanes);
        break;
      default:
        factor_ = formatted("<%d x i32>", plan.lanes);
        break;
    }
    splat_ = formatted("<%d x %s>", plan.lanes, lane_.c_str());
  }

  std::string product() {
    const std::string name = formatted("@fl.dot.%s.%s.%dx%d.%lldx%lldx%lld.%lld", name_of(plan_.multiply),
                                       ttir::name_of(plan_.sum), plan_.tile_rows, plan_.panel,
                                       static_cast<long long>(plan_.columns), static_cast<long long>(plan_.depth),
                                       static_cast<long long>(plan_.steps), static_cast<long long>(plan_.left_step)) +
                             (plan_.out ? std::string(".to_") + ttir::name_of(*plan_.out) : "");
    if (module_.defined(name)) return name;
    Stream out;
    out.open("entry");
    std::vector<Carried> none;
    counted_loop(
        module_, ops_, out, "0", "%columns", plan_.panel, true, &none, [&](Stream& panel, const std::string& column) {
          const std::string right = offset_by(panel, "%right", column, plan_.panel_bytes() / plan_.panel);
          const std::string target = plan_.out ? offset_by(panel, "%out", column, ttir::bytes_of(*plan_.out)) : "";
          const std::string sums = offset_by(panel, "%sums", column, ttir::bytes_of(plan_.sum));
          const std::string offset = plan_.has_offset() ? offset_by(panel, "%offset", column, 4) : "";
          counted_loop(module_, ops_, panel, "0", "%rows", plan_.tile_rows, true, &none,
                       [&](Stream& body, const std::string& row) {
                         const std::string at = offset_by(body, sums, row, plan_.columns * ttir::bytes_of(plan_.sum));
                         tile(body, row, right, at, offset);
                         finish(body, at, target, row);
                       });
        });
    out.line("ret void");
    module_.define_once(name, "define internal void " + name +
                                  "(ptr %left, i64 %left_row, i64 %last_row, ptr %right, ptr noalias %sums, "
                                  "i64 %groups, i64 %rows, i64 %columns, i1 %fresh, ptr %offset, ptr %out, i64 %pitch, "
                                  "i1 %finish) noinline nounwind {\n" +
                                  out.text + "}\n");
    return name;
  }

  // 128 times the sum of each column of the right factor.
  std::string offset() {
    const std::string name =
        formatted("@fl.dot.offset.%d.%lld", plan_.panel, static_cast<long long>(plan_.panel_bytes()));
    if (module_.defined(name)) return name;
    Stream out;
    out.open("entry");
    std::vector<Carried> none;
    counted_loop(
        module_, ops_, out, "0", "%columns", plan_.panel, true, &none, [&](Stream& panel, const std::string& column) {
          const std::string right = offset_by(panel, "%right", column, plan_.panel_bytes() / plan_.panel);
          const std::string to = offset_by(panel, "%offset", column, 4);
          std::vector<Carried> sums(strips(), {sums_, "zeroinitializer"});
          counted_loop(
              module_, ops_, panel, "0", "%groups", 1, true, &sums, [&](Stream& body, const std::string& group) {
                const std::string at = offset_by(body, right, group, plan_.panel * 4);
                for (size_t s = 0; s < strips(); ++s) {
                  const std::string b = load(body, factor_, at, strip() * static_cast<int64_t>(s), factor_bytes());
                  sums[s].current = multiply_add(body, shift(), b, sums[s].current);
                }
              });
          for (size_t s = 0; s < strips(); ++s)
            store(panel, sums_, sums[s].current, to, sum_strip() * static_cast<int64_t>(s), 4);
        });
    out.line("ret void");
    module_.define_once(name, "define internal void " + name +
                                  "(ptr %right, i64 %groups, i64 %columns, ptr %offset) noinline nounwind {\n" +
                                  out.text + "}\n");
    return name;
  }

 private:
  size_t strips() const { return static_cast<size_t>(plan_.panel / plan_.lanes); }
  int64_t strip() const { return plan_.lanes * plan_.lane_bytes(); }
  int64_t sum_strip() const { return plan_.lanes * ttir::bytes_of(plan_.sum); }
  int64_t factor_bytes() const { return ttir::bytes_of(plan_.packed); }

  // 0x80 in each byte.
  std::string shift() const { return splat_constant(std::to_string(-2139062144), Scalar::kI32, false, plan_.lanes); }

  // The left factor's row `row` + `more`, or its last one if there are fewer.
  std::string left_row(Stream& out, const std::string& row, int64_t more) {
    const std::string wanted = ops_.binary("add", kI64, row, std::to_string(more), 1, out);
    return offset_by(out, "%left", ops_.intrinsic("smin", kI64, {wanted, "%last_row"}, 1, out), "%left_row");
  }

  // A lane of the left factor in each lane of a vector.
  std::string broadcast(Stream& out, const std::string& base, int64_t bytes) {
    const std::string lane = load(out, lane_, base, bytes, factor_bytes());
    std::string all = splat(out, lane, lane_, plan_.lanes);
    if (plan_.has_offset()) all = ops_.binary("xor", Type::of(plan_.sum), all, shift(), plan_.lanes, out);
    if (splat_ == factor_) return all;
    const std::string cast = module_.fresh();
    out.line(cast + " = bitcast " + splat_ + " " + all + " to " + factor_);
    return cast;
  }

  std::string call(Stream& out, const std::string& function, const std::string& result,
                   const std::vector<std::pair<std::string, std::string>>& arguments) {
    std::string types;
    std::string values;
    for (const auto& [type, value] : arguments) {
      types += (types.empty() ? "" : ", ") + type;
      values += (values.empty() ? "" : ", ") + type + " " + value;
    }
    module_.declare(result + " " + function + "(" + types + ")");
    const std::string name = module_.fresh();
    out.line(name + " = call " + result + " " + function + "(" + values + ")");
    return name;
  }

  std::string multiply_add(Stream& out, const std::string& a, const std::string& b, const std::string& sum) {
    const Type type = Type::of(plan_.sum);
    switch (plan_.multiply) {
      case Multiply::kFma:
        return ops_.intrinsic("fma", type, {a, b, sum}, plan_.lanes, out);
      case Multiply::kInteger:
        return ops_.binary("add", type, sum, ops_.binary("mul", type, a, b, plan_.lanes, out), plan_.lanes, out);
      case Multiply::kPairs16: {
        const char* function = plan_.lanes == 16 ? "@llvm.x86.avx512.pmaddw.d.512" : "@llvm.x86.avx2.pmadd.wd";
        return ops_.binary("add", type, sum, call(out, function, sums_, {{factor_, a}, {factor_, b}}), plan_.lanes,
                           out);
      }
      case Multiply::kQuads8:  // the first of them without a sign
        return call(out, "@llvm.x86.avx512.vpdpbusd.512", sums_, {{sums_, sum}, {factor_, a}, {factor_, b}});
      default:
        return call(out, "@llvm.x86.avx512bf16.dpbf16ps.512", sums_, {{sums_, sum}, {factor_, a}, {factor_, b}});
    }
  }

  void tile(Stream& out, const std::string& first_row, const std::string& right, const std::string& at,
            const std::string& offset) {
    const auto rows = static_cast<size_t>(plan_.tile_rows);
    const std::string row_of_sums = std::to_string(plan_.columns * ttir::bytes_of(plan_.sum));
    const std::string read = module_.fresh_label();
    const std::string join = module_.fresh_label();
    const std::string before = out.label;
    out.line("br i1 %fresh, label %" + join + ", label %" + read);
    out.open(read);
    std::vector<std::string> known;
    for (size_t r = 0; r < rows; ++r) {
      const std::string row = beyond(out, at, static_cast<int64_t>(r) * plan_.columns * ttir::bytes_of(plan_.sum));
      for (size_t s = 0; s < strips(); ++s)
        known.push_back(load(out, sums_, row, sum_strip() * static_cast<int64_t>(s), ttir::bytes_of(plan_.sum)));
    }
    out.line("br label %" + join);
    out.open(join);
    std::vector<Carried> sums;
    for (const std::string& value : known) {
      const std::string start = module_.fresh();
      out.line(start + " = phi " + sums_ + " [ zeroinitializer, %" + before + " ], [ " + value + ", %" + read + " ]");
      sums.push_back({sums_, start});
    }
    std::vector<std::string> left;
    for (size_t r = 0; r < rows; ++r) left.push_back(left_row(out, first_row, static_cast<int64_t>(r)));
    for (size_t i = 0; i < strips() && plan_.has_offset(); ++i) {
      const std::string amount = load(out, sums_, offset, sum_strip() * static_cast<int64_t>(i), 4);
      for (size_t r = 0; r < rows; ++r) {
        std::string& current = sums[r * strips() + i].current;
        current = ops_.binary("sub", Type::of(plan_.sum), current, amount, plan_.lanes, out);
      }
    }
    const int64_t unroll = plan_.unroll();
    counted_loop(module_, ops_, out, "0", "%groups", unroll, false, &sums, [&](Stream& body, const std::string& group) {
      const std::string along = ops_.binary("mul", kI64, group, std::to_string(plan_.left_step), 1, body);
      std::vector<std::string> a;
      for (const std::string& row : left) a.push_back(beyond(body, row, along));
      const std::string b = offset_by(body, right, group, plan_.panel * plan_.lane_bytes());
      for (int64_t u = 0; u < unroll; ++u) {
        std::vector<std::string> vectors;
        for (size_t s = 0; s < strips(); ++s)
          vectors.push_back(load(body, factor_, b,
                                 u * plan_.panel * plan_.lane_bytes() + strip() * static_cast<int64_t>(s),
                                 factor_bytes()));
        for (size_t r = 0; r < rows; ++r) {
          const std::string lane = broadcast(body, a[r], u * plan_.left_step);
          for (size_t s = 0; s < strips(); ++s) {
            std::string& current = sums[r * strips() + s].current;
            current = multiply_add(body, lane, vectors[s], current);
          }
        }
      }
    });
    results_.clear();
    for (const Carried& sum : sums) results_.push_back(sum.current);
  }

  // The tile's results go back to the sums, or out.
  void finish(Stream& out, const std::string& at, const std::string& target, const std::string& row) {
    const auto rows = static_cast<size_t>(plan_.tile_rows);
    const std::string done = module_.fresh_label();
    if (plan_.out) {
      const std::string away = module_.fresh_label();
      const std::string back = module_.fresh_label();
      out.line("br i1 %finish, label %" + away + ", label %" + back);
      out.open(away);
      std::string place = offset_by(out, target, row, "%pitch");
      const Type type = Type::of(*plan_.out);
      const int64_t size = ttir::bytes_of(*plan_.out);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t s = 0; s < strips(); ++s) {
          std::string value = results_[r * strips() + s];
          if (*plan_.out != plan_.sum) value = ops_.cast_float(Type::of(plan_.sum), type, value, plan_.lanes, out);
          store(out, llvm_type(type, plan_.lanes), value, place, static_cast<int64_t>(s) * plan_.lanes * size, size);
        }
        if (r + 1 == rows) break;
        place = beyond(out, place, "%pitch");
      }
      out.line("br label %" + done);
      out.open(back);
    }
    for (size_t r = 0; r < rows; ++r) {
      const std::string place = beyond(out, at, static_cast<int64_t>(r) * plan_.columns * ttir::bytes_of(plan_.sum));
      for (size_t s = 0; s < strips(); ++s) {
        store(out, sums_, results_[r * strips() + s], place, sum_strip() * static_cast<int64_t>(s),
              ttir::bytes_of(plan_.sum));
      }
    }
    out.line("br label %" + done);
    out.open(done);
  }

  const DotPlan& plan_;
  std::vector<std::string> results_;
  std::string sums_;          // vector of sums
  std::string lane_ = "i32";  // what is broadcast
  std::string splat_;         // the vector it makes
  std::string factor_;        // as the instruction wants it
};

}  // namespace

std::string dot_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan) {
  if (plan.amx()) return dot_function_amx(module, ops, plan);
  return VectorProduct(module, ops, plan).product();
}

std::string offset_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan) {
  return VectorProduct(module, ops, plan).offset();
}

}  // namespace fl::compiler
