// Packed factors that stay for the next program. A program whose factor is decided by the same numbers as the one that
// was packed last takes it as it is: in Triton's grouped order that is the right factor of all but one program in
// GROUP_M. Keeping several left factors as well was tried: with eight they leave the second cache, and from 1024 on it
// is a loss.

#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

// Whether the buffer holds what this program would pack; if not, it is noted that it will. Kept are a flag and the
// numbers that decided. `fits` (i1): the buffer has room for all chunks of a program.
void Kernel::find_kept(const Product& product, PackedFactor* factor, const std::string& fits) {
  const auto decide = deciders(factor->block, product.loop, schedule_);
  if (!decide) return;
  for (const Value* value : *decide)
    if (!shared_.scalars.contains(value)) return;
  std::vector<std::string> now;
  for (const Value* value : *decide) now.push_back(wide(value));
  now.push_back(factor->along == 0 ? product.rows : product.columns);  // that were live
  const int64_t slot = allocate_kept(static_cast<int64_t>(8 * now.size() + 8));
  const std::string start = arena_pointer(slot, entry_);  // each launch begins anew
  entry_.line("store i64 0, ptr " + start);
  const std::string known = arena_pointer(slot);
  std::string same = shared_.ops.compare("icmp", "ne", kI64, load_i64(known), "0", 1, *out_);
  for (size_t i = 0; i < now.size(); ++i) {
    const std::string place = arena_pointer(slot + static_cast<int64_t>(8 * i + 8));
    const std::string equal = shared_.ops.compare("icmp", "eq", kI64, load_i64(place), now[i], 1, *out_);
    same = shared_.ops.binary("and", kI1, same, equal, 1, *out_);
    out_->line("store i64 " + now[i] + ", ptr " + place);
  }
  const std::string flag = shared_.ops.convert("zext", kI1, kI64, fits, 1, *out_);
  out_->line("store i64 " + flag + ", ptr " + known);
  factor->known = slot;
  factor->kept = shared_.ops.binary("and", kI1, same, fits, 1, *out_);
}

}  // namespace fl::compiler
