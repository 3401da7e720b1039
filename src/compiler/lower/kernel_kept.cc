// Packed factors that stay for later programs. A program whose factor is decided by the same numbers as one that is
// still there takes it as it is. In Triton's grouped order that is the right factor of all but one program in GROUP_M,
// and the left one of all but the first column of programs.

#include <algorithm>

#include "compiler/lower/kernel.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

// As many as Triton kernels mostly group; looking through them costs less than packing one row.
constexpr int64_t kMostKept = 8;

}  // namespace

// Which of the packed factors in the buffer is this program's, or which gives way to it. An entry is a flag and the
// numbers that decided; entry e has its chunks from e * room.needed on.
void Kernel::find_kept(const Product& product, PackedFactor* factor, const Room& room) {
  const auto decide = deciders(factor->block, product.loop, schedule_);
  if (!decide) return;
  for (const Value* value : *decide)
    if (!shared_.scalars.contains(value)) return;
  std::vector<std::string> now;
  for (const Value* value : *decide) now.push_back(wide(value));
  now.push_back(factor->along == 0 ? product.rows : product.columns);  // that were live
  int64_t most = std::min(kMostKept, room.chunks);
  for (size_t i = 0; product.loop != nullptr && i < 3; ++i) {  // entries of unlike sizes would overlap
    const auto bound = deciders(product.loop->operands[i], nullptr, schedule_);
    if (!bound || !bound->empty()) most = 1;
  }
  const auto entry_bytes = static_cast<int64_t>(8 * now.size() + 8);
  const int64_t entries_at = allocate_kept(most * entry_bytes + 8);
  const int64_t next_at = entries_at + most * entry_bytes;
  for (int64_t e = 0; e <= most; ++e) {  // each launch begins anew
    const std::string flag = arena_pointer(entries_at + e * entry_bytes, entry_);
    entry_.line("store i64 0, ptr " + flag);
  }

  std::string count = "1";
  if (most > 1) {
    const std::string size = shared_.ops.intrinsic("smax", kI64, {room.needed, "1"}, 1, *out_);
    count = shared_.ops.binary("sdiv", kI64, std::to_string(room.chunks), size, 1, *out_);
    count = shared_.ops.intrinsic("smin", kI64, {count, std::to_string(most)}, 1, *out_);
    count = shared_.ops.intrinsic("smax", kI64, {count, "1"}, 1, *out_);
  }
  const std::string entries = arena_pointer(entries_at);
  auto entry = [&](Stream& out, const std::string& number) {
    const std::string distance = shared_.ops.binary("mul", kI64, number, std::to_string(entry_bytes), 1, out);
    const std::string place = module_.fresh();
    out.line(place + " = getelementptr i8, ptr " + entries + ", i64 " + distance);
    return place;
  };
  auto field = [&](Stream& out, const std::string& place, size_t i) {
    const std::string name = module_.fresh();
    out.line(name + " = getelementptr i8, ptr " + place + ", i64 " + std::to_string(8 * i + 8));
    return name;
  };
  auto load = [&](Stream& out, const std::string& place) {
    const std::string value = module_.fresh();
    out.line(value + " = load i64, ptr " + place);
    return value;
  };
  std::vector<Carried> found{{"i64", "-1"}};
  counted_loop(module_, shared_.ops, *out_, "0", count, 1, false, &found, [&](Stream& body, const std::string& e) {
    const std::string place = entry(body, e);
    std::string same = shared_.ops.compare("icmp", "ne", kI64, load(body, place), "0", 1, body);
    for (size_t i = 0; i < now.size(); ++i) {
      const std::string known = load(body, field(body, place, i));
      same = shared_.ops.binary("and", kI1, same, shared_.ops.compare("icmp", "eq", kI64, known, now[i], 1, body), 1,
                                body);
    }
    found[0].current = shared_.ops.select(kI64, same, e, found[0].current, 1, body);
  });
  const std::string hit = shared_.ops.compare("icmp", "sge", kI64, found[0].current, "0", 1, *out_);
  const std::string next = arena_pointer(next_at);
  const std::string at = load_i64(next);
  const std::string within = shared_.ops.compare("icmp", "slt", kI64, at, count, 1, *out_);
  const std::string gives_way = shared_.ops.select(kI64, within, at, "0", 1, *out_);
  const std::string chosen = shared_.ops.select(kI64, hit, found[0].current, gives_way, 1, *out_);
  const std::string after = shared_.ops.binary("add", kI64, gives_way, "1", 1, *out_);
  out_->line("store i64 " + shared_.ops.select(kI64, hit, at, after, 1, *out_) + ", ptr " + next);
  const std::string place = entry(*out_, chosen);
  const std::string flag = shared_.ops.convert("zext", kI1, kI64, room.fits, 1, *out_);
  out_->line("store i64 " + flag + ", ptr " + place);
  for (size_t i = 0; i < now.size(); ++i) out_->line("store i64 " + now[i] + ", ptr " + field(*out_, place, i));
  factor->kept = shared_.ops.binary("and", kI1, hit, room.fits, 1, *out_);
  const std::string first = shared_.ops.binary("mul", kI64, chosen, room.needed, 1, *out_);
  factor->first = shared_.ops.select(kI64, room.fits, first, "0", 1, *out_);
}

}  // namespace fl::compiler
