// Products with AMX: four tiles of sums, 32 rows by 32 columns, and two of each factor make the eight that there are.
//
// Every tile has the full 16 rows of 64 bytes: shapes of other kinds make the code generator configure and spill inside
// the loops. A function with tiles configures them once, about 60 ns, so the loops over tiles are in here. The order of
// loads and multiplications is kept as written: each load stands just before the first use of its tile, which is 3-10 %
// faster than all loads first.

#include "base/text.h"
#include "compiler/lower/dot/code.h"
#include "compiler/lower/text/counted_loop.h"
#include "compiler/lower/text/memory_text.h"

namespace fl::compiler {
namespace {

const Type kI64 = Type::of(Scalar::kI64);
constexpr int64_t kTileRows = 16;
constexpr int64_t kTileBytes = 64;
constexpr const char* kShape = "i16 16, i16 64";

class TileProduct : MemoryText {
 public:
  TileProduct(LlvmModule& module, Elementwise& ops, const DotPlan& plan) : MemoryText(module, ops), plan_(plan) {}

  std::string product() {
    const std::string name =
        formatted("@fl.dot.amx.%s.%dx%d.%lldx%lld", ttir::name_of(plan_.packed), plan_.tile_rows, plan_.panel,
                  static_cast<long long>(plan_.columns), static_cast<long long>(plan_.panel_bytes())) +
        (plan_.out ? ".out" : "");
    if (module_.defined(name)) return name;
    module_.declare("x86_amx @llvm.x86.tilezero.internal(i16, i16)");
    module_.declare("x86_amx @llvm.x86.tileloadd64.internal(i16, i16, ptr, i64)");
    module_.declare("void @llvm.x86.tilestored64.internal(i16, i16, ptr, i64, x86_amx)");
    module_.declare("x86_amx " + instruction() + "(i16, i16, i16, x86_amx, x86_amx, x86_amx)");
    Stream out;
    out.open("entry");
    std::vector<Carried> none;
    counted_loop(
        module_, ops_, out, "0", "%rows", plan_.tile_rows, true, &none, [&](Stream& rows, const std::string& row) {
          const std::string left = offset_by(rows, "%left", row, "%left_row");
          const std::string sums = offset_by(rows, "%sums", row, plan_.columns * 4);
          counted_loop(module_, ops_, rows, "0", "%columns", plan_.panel, true, &none,
                       [&](Stream& body, const std::string& column) {
                         const std::string right = offset_by(body, "%right", column, plan_.panel_bytes() / plan_.panel);
                         tiles(body, left, right, offset_by(body, sums, column, 4), row, column);
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

 private:
  std::string instruction() const {
    return plan_.multiply == Multiply::kAmxBf16 ? "@llvm.x86.tdpbf16ps.internal" : "@llvm.x86.tdpbssd.internal";
  }
  std::string load_tile(Stream& out, const std::string& place, const std::string& stride) {
    const std::string tile = module_.fresh();
    out.line(tile + " = call x86_amx @llvm.x86.tileloadd64.internal(" + kShape + ", ptr " + place + ", i64 " + stride +
             ")");
    return tile;
  }

  void tiles(Stream& out, const std::string& left, const std::string& right, const std::string& sums,
             const std::string& row, const std::string& column) {
    const int64_t down = plan_.tile_rows / kTileRows;
    const int64_t across = plan_.panel / kTileRows;
    const int64_t pitch = plan_.columns * 4;
    auto place = [&](int64_t r, int64_t c) { return r * kTileRows * pitch + c * kTileBytes; };
    const std::string zero = module_.fresh_label();
    const std::string read = module_.fresh_label();
    const std::string join = module_.fresh_label();
    out.line("br i1 %fresh, label %" + zero + ", label %" + read);
    std::vector<std::string> starts[2];
    out.open(zero);
    for (int64_t i = 0; i < down * across; ++i) {
      starts[0].push_back(module_.fresh());
      out.line(starts[0].back() + " = call x86_amx @llvm.x86.tilezero.internal(" + kShape + ")");
    }
    out.line("br label %" + join);
    out.open(read);
    for (int64_t r = 0; r < down; ++r)
      for (int64_t c = 0; c < across; ++c)
        starts[1].push_back(load_tile(out, beyond(out, sums, place(r, c)), std::to_string(pitch)));
    out.line("br label %" + join);
    out.open(join);
    std::vector<Carried> tiles;
    for (size_t i = 0; i < starts[0].size(); ++i) {
      const std::string start = module_.fresh();
      out.line(start + " = phi x86_amx [ " + starts[0][i] + ", %" + zero + " ], [ " + starts[1][i] + ", %" + read +
               " ]");
      tiles.push_back({"x86_amx", start});
    }
    counted_loop(
        module_, ops_, out, "0", "%groups", kTileRows, false, &tiles, [&](Stream& body, const std::string& group) {
          const std::string a = offset_by(body, left, group, plan_.left_step);
          const std::string b = offset_by(body, right, group, plan_.panel * plan_.lane_bytes());
          std::vector<std::string> rows(static_cast<size_t>(down));
          for (int64_t c = 0; c < across; ++c) {
            const std::string column =
                load_tile(body, beyond(body, b, c * kTileBytes), std::to_string(plan_.panel * plan_.lane_bytes()));
            for (int64_t r = 0; r < down; ++r) {
              std::string& row = rows[static_cast<size_t>(r)];
              if (row.empty())
                row = load_tile(body, offset_by(body, a, std::to_string(r * kTileRows), "%left_row"), "%left_row");
              std::string& sum = tiles[static_cast<size_t>(r * across + c)].current;
              const std::string next = module_.fresh();
              body.line(next + " = call x86_amx " + instruction() + "(" + kShape + ", i16 64, x86_amx " + sum +
                        ", x86_amx " + row + ", x86_amx " + column + ")");
              sum = next;
            }
          }
        });
    // Tiles are stored where they go; only the address and the pitch are chosen.
    std::string to = sums;
    std::string to_pitch = std::to_string(pitch);
    if (plan_.out) {
      const std::string place = offset_by(out, offset_by(out, "%out", row, "%pitch"), column, 4);
      to = module_.fresh();
      out.line(to + " = select i1 %finish, ptr " + place + ", ptr " + sums);
      to_pitch = ops_.select(kI64, "%finish", "%pitch", to_pitch, 1, out);
    }
    for (int64_t r = 0; r < down; ++r) {
      const std::string line = offset_by(out, to, std::to_string(r * kTileRows), to_pitch);
      for (int64_t c = 0; c < across; ++c) {
        const std::string at = beyond(out, line, c * kTileBytes);
        out.line(std::string("call void @llvm.x86.tilestored64.internal(") + kShape + ", ptr " + at + ", i64 " +
                 to_pitch + ", x86_amx " + tiles[static_cast<size_t>(r * across + c)].current + ")");
      }
    }
  }

  const DotPlan& plan_;
};

}  // namespace

std::string dot_function_amx(LlvmModule& module, Elementwise& ops, const DotPlan& plan) {
  return TileProduct(module, ops, plan).product();
}

}  // namespace fl::compiler
