// Products with vector instructions: a tile of rows by a panel of columns, its sums in registers for all of K. A row's
// lane is broadcast and multiplied with each vector of the panel.

#include "base/text.h"
#include "compiler/lower/counted_loop.h"
#include "compiler/lower/dot_code.h"

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

class VectorProduct {
 public:
  VectorProduct(LlvmModule& module, Elementwise& ops, const DotPlan& plan) : module_(module), ops_(ops), plan_(plan) {
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
    const std::string name =
        formatted("@fl.dot.%s.%s.%dx%d.%lldx%lldx%lld.%lld.%lld", name_of(plan_.multiply), ttir::name_of(plan_.sum),
                  plan_.tile_rows, plan_.panel, static_cast<long long>(plan_.columns),
                  static_cast<long long>(plan_.depth), static_cast<long long>(plan_.steps),
                  static_cast<long long>(plan_.left_row), static_cast<long long>(plan_.left_step)) +
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
          const std::string shift = plan_.has_offset() ? offset_by(panel, "%offset", column, 4) : "";
          counted_loop(module_, ops_, panel, "0", "%rows", plan_.tile_rows, true, &none,
                       [&](Stream& body, const std::string& row) {
                         const std::string left = offset_by(body, "%left", row, plan_.left_row);
                         const std::string at = offset_by(body, sums, row, plan_.columns * ttir::bytes_of(plan_.sum));
                         tile(body, left, right, at, shift);
                         finish(body, at, target, row);
                       });
        });
    out.line("ret void");
    module_.define_once(name, "define internal void " + name +
                                  "(ptr %left, ptr %right, ptr noalias %sums, i64 %groups, i64 %rows, i64 %columns, "
                                  "i1 %fresh, ptr %offset, ptr %out, i64 %pitch, i1 %finish) noinline nounwind {\n" +
                                  out.text + "}\n");
    return name;
  }

  std::string offset() {
    const std::string name =
        formatted("@fl.dot.offset.%d.%lld", plan_.panel, static_cast<long long>(plan_.panel_bytes()));
    if (module_.defined(name)) return name;
    Stream out;
    out.open("entry");
    std::vector<Carried> none;
    const std::string shift =
        splat_constant(std::to_string(-2139062144), Scalar::kI32, false, plan_.lanes);  // 0x80 x 4
    counted_loop(module_, ops_, out, "0", "%columns", plan_.panel, true, &none,
                 [&](Stream& panel, const std::string& column) {
                   const std::string right = offset_by(panel, "%right", column, plan_.panel_bytes() / plan_.panel);
                   const std::string to = offset_by(panel, "%offset", column, 4);
                   std::vector<Carried> sums(strips(), {sums_, "zeroinitializer"});
                   counted_loop(module_, ops_, panel, "0", "%groups", 1, true, &sums,
                                [&](Stream& body, const std::string& group) {
                                  const std::string at = offset_by(body, right, group, plan_.panel * 4);
                                  for (size_t s = 0; s < strips(); ++s) {
                                    const std::string b = load(body, factor_, at, static_cast<int64_t>(s) * strip());
                                    sums[s].current = multiply_add(body, shift, b, sums[s].current);
                                  }
                                });
                   for (size_t s = 0; s < strips(); ++s) store(panel, sums[s].current, to, static_cast<int64_t>(s));
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

  std::string offset_by(Stream& out, const std::string& base, const std::string& index, int64_t bytes) {
    const std::string distance = ops_.binary("mul", kI64, index, std::to_string(bytes), 1, out);
    const std::string place = module_.fresh();
    out.line(place + " = getelementptr i8, ptr " + base + ", i64 " + distance);
    return place;
  }
  std::string beyond(Stream& out, const std::string& base, int64_t bytes) {
    if (bytes == 0) return base;
    const std::string place = module_.fresh();
    out.line(place + " = getelementptr i8, ptr " + base + ", i64 " + std::to_string(bytes));
    return place;
  }
  std::string load(Stream& out, const std::string& type, const std::string& base, int64_t bytes) {
    const std::string place = beyond(out, base, bytes);
    const std::string value = module_.fresh();
    out.line(value + " = load " + type + ", ptr " + place + ", align " + std::to_string(ttir::bytes_of(plan_.packed)));
    return value;
  }
  void store(Stream& out, const std::string& value, const std::string& base, int64_t index) {
    const std::string place = beyond(out, base, index * plan_.lanes * ttir::bytes_of(plan_.sum));
    out.line("store " + sums_ + " " + value + ", ptr " + place + ", align " +
             std::to_string(ttir::bytes_of(plan_.sum)));
  }

  // A lane of the left factor in each lane of a vector.
  std::string broadcast(Stream& out, const std::string& base, int64_t bytes) {
    const std::string lane = load(out, lane_, base, bytes);
    const std::string first = module_.fresh();
    out.line(first + " = insertelement " + splat_ + " poison, " + lane_ + " " + lane + ", i32 0");
    std::string all = module_.fresh();
    out.line(all + " = shufflevector " + splat_ + " " + first + ", " + splat_ +
             formatted(" poison, <%d x i32> zeroinitializer", plan_.lanes));
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
      case Multiply::kQuads8:
        return call(out, "@llvm.x86.avx512.vpdpbusd.512", sums_, {{sums_, sum}, {factor_, a}, {factor_, b}});
      default:
        return call(out, "@llvm.x86.avx512bf16.dpbf16ps.512", sums_, {{sums_, sum}, {factor_, a}, {factor_, b}});
    }
  }

  void tile(Stream& out, const std::string& left, const std::string& right, const std::string& at,
            const std::string& shift) {
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
        known.push_back(load(out, sums_, row, static_cast<int64_t>(s) * plan_.lanes * ttir::bytes_of(plan_.sum)));
    }
    out.line("br label %" + join);
    out.open(join);
    std::vector<Carried> sums;
    for (const std::string& value : known) {
      const std::string start = module_.fresh();
      out.line(start + " = phi " + sums_ + " [ zeroinitializer, %" + before + " ], [ " + value + ", %" + read + " ]");
      sums.push_back({sums_, start});
    }
    if (plan_.has_offset()) {
      for (size_t s = 0; s < strips(); ++s) {
        const std::string amount = load(out, sums_, shift, static_cast<int64_t>(s) * plan_.lanes * 4);
        for (size_t r = 0; r < rows; ++r) {
          std::string& current = sums[r * strips() + s].current;
          current = ops_.binary("sub", Type::of(plan_.sum), current, amount, plan_.lanes, out);
        }
      }
    }
    const int64_t unroll = plan_.unroll();
    counted_loop(module_, ops_, out, "0", "%groups", unroll, false, &sums, [&](Stream& body, const std::string& group) {
      const std::string a = offset_by(body, left, group, plan_.left_step);
      const std::string b = offset_by(body, right, group, plan_.panel * plan_.lane_bytes());
      for (int64_t u = 0; u < unroll; ++u) {
        std::vector<std::string> vectors;
        for (size_t s = 0; s < strips(); ++s)
          vectors.push_back(
              load(body, factor_, b, u * plan_.panel * plan_.lane_bytes() + static_cast<int64_t>(s) * strip()));
        for (size_t r = 0; r < rows; ++r) {
          const std::string lane = broadcast(body, a, static_cast<int64_t>(r) * plan_.left_row + u * plan_.left_step);
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
      const std::string distance = ops_.binary("mul", kI64, row, "%pitch", 1, out);
      std::string place = module_.fresh();
      out.line(place + " = getelementptr i8, ptr " + target + ", i64 " + distance);
      const Type type = Type::of(*plan_.out);
      const int64_t size = ttir::bytes_of(*plan_.out);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t s = 0; s < strips(); ++s) {
          std::string value = results_[r * strips() + s];
          if (*plan_.out != plan_.sum) value = ops_.cast_float(Type::of(plan_.sum), type, value, plan_.lanes, out);
          out.line("store " + llvm_type(type, plan_.lanes) + " " + value + ", ptr " +
                   beyond(out, place, static_cast<int64_t>(s) * plan_.lanes * size) + ", align " +
                   std::to_string(size));
        }
        if (r + 1 == rows) break;
        const std::string next = module_.fresh();
        out.line(next + " = getelementptr i8, ptr " + place + ", i64 %pitch");
        place = next;
      }
      out.line("br label %" + done);
      out.open(back);
    }
    for (size_t r = 0; r < rows; ++r) {
      const std::string place = beyond(out, at, static_cast<int64_t>(r) * plan_.columns * ttir::bytes_of(plan_.sum));
      for (size_t s = 0; s < strips(); ++s) store(out, results_[r * strips() + s], place, static_cast<int64_t>(s));
    }
    out.line("br label %" + done);
    out.open(done);
  }

  LlvmModule& module_;
  Elementwise& ops_;
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
