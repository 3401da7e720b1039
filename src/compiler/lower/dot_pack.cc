// Packing: elements that follow each other along K come to lie in one lane. Where another dimension is contiguous, rows
// are interleaved; where K is, blocks of lanes are transposed in registers.

#include <algorithm>

#include "base/text.h"
#include "compiler/lower/counted_loop.h"
#include "compiler/lower/dot_code.h"

namespace fl::compiler {
namespace {

const Type kI64 = Type::of(Scalar::kI64);

// Elements of both vectors (numbered through) in this order.
std::string shuffle(LlvmModule& module, const std::string& type, const std::string& a, const std::string& b,
                    const std::vector<int>& order, Stream& out) {
  std::string lanes;
  for (int lane : order) lanes += (lanes.empty() ? "i32 " : ", i32 ") + std::to_string(lane);
  const std::string name = module.fresh();
  out.line(name + " = shufflevector " + type + " " + a + ", " + type + " " + b + ", " +
           formatted("<%zu x i32> <", order.size()) + lanes + ">");
  return name;
}

class Packer {
 public:
  Packer(LlvmModule& module, Elementwise& ops, const DotPlan& plan, int64_t span, int64_t panel, int64_t panel_bytes)
      : module_(module), ops_(ops), plan_(plan), span_(span), panel_(panel), panel_bytes_(panel_bytes) {}

  std::string interleave() {
    const int width = static_cast<int>(std::min<int64_t>(plan_.lanes, panel_));
    return function("interleave", width, [&](Stream& body, const std::string& at, const std::string& to) {
      const int64_t pitch = span_ * plan_.packed_bytes();
      std::vector<Carried> none;
      const std::string from = offset_by(body, "%from", at, plan_.packed_bytes());
      counted_loop(module_, ops_, body, "0", std::to_string(plan_.depth / plan_.group), 1, false, &none,
                   [&](Stream& inner, const std::string& group) {
                     const std::string rows = offset_by(inner, from, group, plan_.group * pitch);
                     std::vector<std::string> parts;
                     const std::string element = formatted("i%lld", static_cast<long long>(8 * plan_.packed_bytes()));
                     for (int i = 0; i < plan_.group; ++i)
                       parts.push_back(load(inner, formatted("<%d x %s>", width, element.c_str()), rows, i * pitch));
                     int bits = static_cast<int>(8 * plan_.packed_bytes());
                     int count = width;
                     for (; parts.size() > 1; bits *= 2) {  // rows 0 and 1, 2 and 3, then the pairs as wider elements
                       const std::string type = formatted("<%d x i%d>", width, bits);
                       std::vector<std::string> pairs;
                       std::vector<int> order;
                       for (int lane = 0; lane < width; ++lane) {
                         order.push_back(lane);
                         order.push_back(lane + width);
                       }
                       for (size_t i = 0; i < parts.size(); i += 2) {
                         const std::string both = shuffle(module_, type, parts[i], parts[i + 1], order, inner);
                         pairs.push_back(module_.fresh());
                         inner.line(pairs.back() + formatted(" = bitcast <%d x i%d> ", 2 * width, bits) + both +
                                    formatted(" to <%d x i%d>", width, 2 * bits));
                       }
                       parts = pairs;
                     }
                     store(inner, formatted("<%d x i%d>", count, bits), parts[0],
                           offset_by(inner, to, group, panel_ * plan_.lane_bytes()), 0);
                   });
    });
  }

  std::string transpose() {
    const int64_t groups = plan_.depth / plan_.group;
    const int width = static_cast<int>(std::min<int64_t>({plan_.lanes, panel_, groups}));
    const std::string type = formatted("<%d x i%lld>", width, static_cast<long long>(8 * plan_.lane_bytes()));
    return function("transpose", width, [&](Stream& body, const std::string& at, const std::string& to) {
      const int64_t pitch = plan_.depth * plan_.packed_bytes();
      std::vector<Carried> none;
      const std::string from = offset_by(body, "%from", at, pitch);
      counted_loop(module_, ops_, body, "0", std::to_string(groups), width, false, &none,
                   [&](Stream& inner, const std::string& group) {
                     const std::string corner = offset_by(inner, from, group, plan_.lane_bytes());
                     std::vector<std::string> rows;
                     for (int i = 0; i < width; ++i) rows.push_back(load(inner, type, corner, i * pitch));
                     for (int block = 1; block < width; block *= 2) exchange(type, block, &rows, inner);
                     const std::string place = offset_by(inner, to, group, panel_ * plan_.lane_bytes());
                     for (int i = 0; i < width; ++i)
                       store(inner, type, rows[static_cast<size_t>(i)], place, i * panel_ * plan_.lane_bytes());
                   });
    });
  }

 private:
  // Blocks off the diagonal change places: a transposition of 2 x 2 blocks of that size.
  void exchange(const std::string& type, int block, std::vector<std::string>* rows, Stream& out) {
    const int width = static_cast<int>(rows->size());
    for (int i = 0; i < width; ++i) {
      if ((i & block) != 0) continue;
      std::string& upper = (*rows)[static_cast<size_t>(i)];
      std::string& lower = (*rows)[static_cast<size_t>(i + block)];
      std::vector<int> first;
      std::vector<int> second;
      for (int lane = 0; lane < width; ++lane) {
        first.push_back((lane & block) == 0 ? lane : width + lane - block);
        second.push_back((lane & block) == 0 ? lane + block : width + lane);
      }
      const std::string new_upper = shuffle(module_, type, upper, lower, first, out);
      lower = shuffle(module_, type, upper, lower, second, out);
      upper = new_upper;
    }
  }

  // One call packs a block: `strip` positions of the span at a time, with `to` at the first of them in its panel.
  std::string function(const char* kind, int strip,
                       const std::function<void(Stream&, const std::string&, const std::string&)>& write) {
    const std::string name = formatted("@fl.dot.%s.%s%d.%lldx%lld.%lld.%lld", kind, ttir::name_of(plan_.packed),
                                       plan_.group, static_cast<long long>(plan_.depth), static_cast<long long>(span_),
                                       static_cast<long long>(panel_), static_cast<long long>(panel_bytes_));
    if (module_.defined(name)) return name;
    Stream out;
    out.open("entry");
    std::vector<Carried> none;
    counted_loop(module_, ops_, out, "0", "%count", strip, true, &none, [&](Stream& body, const std::string& at) {
      std::string to = "%to";
      if (span_ > panel_) {
        const std::string panel = ops_.binary("udiv", kI64, at, std::to_string(panel_), 1, body);
        to = offset_by(body, to, panel, panel_bytes_);
        const std::string within = ops_.binary("urem", kI64, at, std::to_string(panel_), 1, body);
        to = offset_by(body, to, within, plan_.lane_bytes());
      } else {
        to = offset_by(body, to, at, plan_.lane_bytes());
      }
      write(body, at, to);
    });
    out.line("ret void");
    module_.define_once(name, "define internal void " + name +
                                  "(ptr noalias %from, ptr noalias %to, i64 %count) noinline nounwind {\n" + out.text +
                                  "}\n");
    return name;
  }

  std::string offset_by(Stream& out, const std::string& base, const std::string& index, int64_t bytes) {
    const std::string distance = ops_.binary("mul", kI64, index, std::to_string(bytes), 1, out);
    const std::string place = module_.fresh();
    out.line(place + " = getelementptr i8, ptr " + base + ", i64 " + distance);
    return place;
  }
  std::string beyond(Stream& out, const std::string& base, int64_t bytes) {
    const std::string place = module_.fresh();
    out.line(place + " = getelementptr i8, ptr " + base + ", i64 " + std::to_string(bytes));
    return place;
  }
  std::string load(Stream& out, const std::string& type, const std::string& base, int64_t bytes) {
    const std::string place = beyond(out, base, bytes);
    const std::string value = module_.fresh();
    out.line(value + " = load " + type + ", ptr " + place + ", align 1");
    return value;
  }
  void store(Stream& out, const std::string& type, const std::string& value, const std::string& base, int64_t bytes) {
    out.line("store " + type + " " + value + ", ptr " + beyond(out, base, bytes) + ", align 1");
  }

  LlvmModule& module_;
  Elementwise& ops_;
  const DotPlan& plan_;
  int64_t span_;
  int64_t panel_;
  int64_t panel_bytes_;
};

}  // namespace

std::string interleave_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, int64_t span, int64_t panel,
                                int64_t panel_bytes) {
  return Packer(module, ops, plan, span, panel, panel_bytes).interleave();
}

std::string transpose_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, int64_t span, int64_t panel,
                               int64_t panel_bytes) {
  return Packer(module, ops, plan, span, panel, panel_bytes).transpose();
}

}  // namespace fl::compiler
