// Packing: elements that follow each other along K come to lie in one lane. Where another dimension is contiguous, rows
// are interleaved; where K is, blocks of lanes are transposed in registers. It reads a block that was computed aside,
// or the kernel's own memory.

#include <algorithm>

#include "base/text.h"
#include "compiler/lower/dot/code.h"
#include "compiler/lower/text/counted_loop.h"
#include "compiler/lower/text/memory_text.h"

namespace fl::compiler {
namespace {

const Type kI64 = Type::of(Scalar::kI64);

// A row of a block is a cache line or two, too short for what the processor fetches ahead by itself.
constexpr int kRowsAhead = 32;

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

class Packer : MemoryText {
 public:
  Packer(LlvmModule& module, Elementwise& ops, const DotPlan& plan, const Packing& packing)
      : MemoryText(module, ops), plan_(plan), packing_(packing) {}

  // Group after group, each across the whole span: rows are read as they lie in memory.
  std::string interleave() {
    const int width = static_cast<int>(packed_at_once(plan_, packing_, false));
    return function("interleave", [&](Stream& out) {
      std::vector<Carried> none;
      const int64_t apart = packing_.panel * plan_.lane_bytes();
      counted_loop(module_, ops_, out, "0", std::to_string(plan_.depth / plan_.group), 1, false, &none,
                   [&](Stream& body, const std::string& group) {
                     const std::string first = ops_.binary("mul", kI64, group, std::to_string(plan_.group), 1, body);
                     const std::string from = offset_by(body, "%from", first, "%pitch");
                     const std::string to = offset_by(body, "%to", group, apart);
                     counted_loop(module_, ops_, body, "0", "%count", width, true, &none,
                                  [&](Stream& inner, const std::string& at) {
                                    const std::string row = offset_by(inner, from, at, plan_.packed_bytes());
                                    interleave_strip(inner, row, place_of(inner, to, at), width);
                                  });
                   });
    });
  }

  std::string transpose() {
    const int64_t groups = plan_.depth / plan_.group;
    const int width = static_cast<int>(packed_at_once(plan_, packing_, true));
    const std::string type = formatted("<%d x i%lld>", width, static_cast<long long>(8 * plan_.lane_bytes()));
    const int64_t apart = packing_.panel * plan_.lane_bytes();
    return function("transpose", [&](Stream& out) {
      std::vector<Carried> none;
      counted_loop(module_, ops_, out, "0", "%count", width, true, &none, [&](Stream& body, const std::string& at) {
        const std::string to = place_of(body, "%to", at);
        const std::string from = offset_by(body, "%from", at, "%pitch");
        counted_loop(module_, ops_, body, "0", std::to_string(groups), width, false, &none,
                     [&](Stream& inner, const std::string& group) {
                       std::string row = offset_by(inner, from, group, plan_.lane_bytes());
                       std::vector<std::string> rows;
                       for (int i = 0; i < width; ++i) {
                         rows.push_back(load(inner, type, row, 0, 1));
                         if (i + 1 < width) row = beyond(inner, row, "%pitch");
                       }
                       for (int block = 1; block < width; block *= 2) exchange(type, block, &rows, inner);
                       const std::string place = offset_by(inner, to, group, apart);
                       for (int i = 0; i < width; ++i)
                         store(inner, type, rows[static_cast<size_t>(i)], place, i * apart, 1);
                     });
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

  // One group of a strip: rows 0 and 1, 2 and 3, then the pairs as wider elements.
  void interleave_strip(Stream& out, std::string row, const std::string& to, int width) {
    std::vector<std::string> parts;
    int bits = static_cast<int>(8 * plan_.packed_bytes());
    module_.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)");
    const std::string ahead = ops_.binary("mul", kI64, "%pitch", std::to_string(kRowsAhead), 1, out);
    for (int i = 0; i < plan_.group; ++i) {
      parts.push_back(load(out, formatted("<%d x i%d>", width, bits), row, 0, 1));
      out.line("call void @llvm.prefetch.p0(ptr " + beyond(out, row, ahead) + ", i32 0, i32 3, i32 1)");
      if (i + 1 < plan_.group) row = beyond(out, row, "%pitch");
    }
    for (; parts.size() > 1; bits *= 2) {
      const std::string type = formatted("<%d x i%d>", width, bits);
      std::vector<std::string> pairs;
      std::vector<int> order;
      for (int lane = 0; lane < width; ++lane) {
        order.push_back(lane);
        order.push_back(lane + width);
      }
      for (size_t i = 0; i < parts.size(); i += 2) {
        const std::string both = shuffle(module_, type, parts[i], parts[i + 1], order, out);
        pairs.push_back(module_.fresh());
        out.line(pairs.back() + formatted(" = bitcast <%d x i%d> ", 2 * width, bits) + both +
                 formatted(" to <%d x i%d>", width, 2 * bits));
      }
      parts = pairs;
    }
    store(out, formatted("<%d x i%d>", width, bits), parts[0], to, 0, 1);
  }

  // One call packs a block.
  std::string function(const char* kind, const std::function<void(Stream&)>& write) {
    const std::string name =
        formatted("@fl.dot.%s.%s%d.%lldx%lld.%lld.%lld", kind, ttir::name_of(plan_.packed), plan_.group,
                  static_cast<long long>(plan_.depth), static_cast<long long>(packing_.span),
                  static_cast<long long>(packing_.panel), static_cast<long long>(packing_.panel_bytes));
    if (module_.defined(name)) return name;
    Stream out;
    out.open("entry");
    write(out);
    out.line("ret void");
    module_.define_once(name, "define internal void " + name +
                                  "(ptr noalias %from, i64 %pitch, ptr noalias %to, i64 %count) noinline nounwind {\n" +
                                  out.text + "}\n");
    return name;
  }

  // Where position `at` of the span begins in its panel.
  std::string place_of(Stream& out, std::string to, const std::string& at) {
    std::string within = at;
    if (packing_.span > packing_.panel) {
      const std::string panel = ops_.binary("udiv", kI64, at, std::to_string(packing_.panel), 1, out);
      to = offset_by(out, to, panel, packing_.panel_bytes);
      within = ops_.binary("urem", kI64, at, std::to_string(packing_.panel), 1, out);
    }
    return offset_by(out, to, within, plan_.lane_bytes());
  }

  const DotPlan& plan_;
  const Packing& packing_;
};

}  // namespace

int64_t packed_at_once(const DotPlan& plan, const Packing& packing, bool transposed) {
  const int64_t width = std::min<int64_t>(plan.lanes, packing.panel);
  return transposed ? std::min(width, plan.depth / plan.group) : width;
}

std::string interleave_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, const Packing& packing) {
  return Packer(module, ops, plan, packing).interleave();
}

std::string transpose_function(LlvmModule& module, Elementwise& ops, const DotPlan& plan, const Packing& packing) {
  return Packer(module, ops, plan, packing).transpose();
}

}  // namespace fl::compiler
