// Factors that are read where they lie. A block that is loaded as it is, with rows that are contiguous along K, needs
// no packing to be the left factor of a tile; and where one row is live, neither factor does: the product is then bound
// by memory, and each byte of the right factor should be touched once.
//
// Reading is put off with the product, which is why nothing in the loop may write. What waits is one run of steps that
// follow each other in memory; where a step does not go on where the last one ended, or cannot be read in place - the
// last one mostly, behind whose end there may be no memory - what waits is multiplied first.

#include "compiler/lower/dot/code.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

constexpr int64_t kStepsWorthIt = 4;

}  // namespace

bool Kernel::is_plain_load(const Value* block) {
  const Operation* load = block->producer;
  return load != nullptr && load->op == Op::kLoad && load->integer("isVolatile") == 0;
}

// What can be told before the loop.
void Kernel::may_read_in_place(Product* product) const {
  const Value* left = product->left.block;
  const Value* right = product->right.block;
  if (!is_plain_load(left) || schedule_.stored.contains(left)) return;
  if (product->loop != nullptr && !only_reads(*product->loop)) return;
  const Scalar scalar = left->type.scalar;
  product->rows_in_place = scalar == product->plan.packed;
  const bool floats = scalar == Scalar::kF32 || scalar == Scalar::kF16 || scalar == Scalar::kBF16;
  product->one_row = floats && product->plan.sum == Scalar::kF32 && right->type.scalar == scalar &&
                     is_plain_load(right) && !schedule_.stored.contains(right) && !is_constant(product->rows) &&
                     product->plan.depth % row_depth(target_.lanes) == 0;
}

// The factor as it lies in the kernel's memory now, all that is live of it; nothing where that cannot be told.
std::optional<InPlace> Kernel::lies_in_place(const Product& product, const PackedFactor& factor) {
  return lies_in_place(factor.block, factor.along, factor.along == 0 ? product.rows : product.columns);
}

// Of a block of two dimensions, `live` (i64) positions along one of them.
std::optional<InPlace> Kernel::lies_in_place(const Value* block, size_t along, const std::string& live) {
  if (!is_plain_load(block) || shared_.slots.contains(block)) return std::nullopt;
  const Operation& load = *block->producer;
  const std::vector<int64_t>& shape = block->type.shape;
  Nest nest(shared_, Nest::Mode::kFast);
  loops_over(&nest, shape);
  if (!is_constant(live)) nest.restrict(along, live);
  nest.assume_small_remainders();
  nest.before().label = out_->label;
  const std::optional<size_t> unit = nest.unit_dimension(block);
  const std::optional<Nest::Strided> place = nest.strided(load.operands[0]);
  if (!unit || !place || place->strides.size() != 2) return std::nullopt;
  std::vector<std::string> counts(2);
  bool exactly = true;
  if (load.operands.size() > 1) counts = nest.live_counts({load.operands[1]}, &exactly);
  if (!exactly) return std::nullopt;
  out_->text += nest.before().text;
  out_->label = nest.before().label;
  InPlace in_place{place->base, place->strides[1 - *unit].text(), "true", counts[1 - along], *unit != along};
  auto require = [&](const std::string& condition) {
    in_place.holds = shared_.ops.binary("and", kI1, in_place.holds, condition, 1, *out_);
  };
  for (const std::string& guard : nest.guards()) require(guard);
  for (size_t d = 0; d < 2; ++d) {
    if (counts[d].empty()) continue;
    const std::string needed = d == along ? live : std::to_string(shape[d]);
    require(shared_.ops.compare("icmp", "sge", kI64, counts[d], needed, 1, *out_));
  }
  return in_place;
}

// Whether rows that are read late cannot be what the product has stored by then: i1.
std::string Kernel::apart_from_output(const Product& product, const InPlace& rows) {
  auto binary = [&](const char* instruction, const std::string& a, const std::string& b) {
    return shared_.ops.binary(instruction, kI64, a, b, 1, *out_);
  };
  const std::string last = binary("sub", product.rows, "1");
  auto region = [&](const std::string& base, const std::string& pitch, int64_t width) {
    const std::string span = binary("mul", last, pitch);
    const std::string down = shared_.ops.intrinsic("smin", kI64, {span, "0"}, 1, *out_);
    const std::string up = shared_.ops.intrinsic("smax", kI64, {span, "0"}, 1, *out_);
    return std::pair{binary("add", base, down), binary("add", binary("add", base, up), std::to_string(width))};
  };
  const DotPlan& plan = product.plan;
  const auto [from, to] = region(rows.base, rows.pitch, plan.depth * plan.packed_bytes());
  const auto [out, out_end] = region(product.out, product.pitch, plan.columns * ttir::bytes_of(*plan.out));
  const std::string below = shared_.ops.compare("icmp", "sle", kI64, to, out, 1, *out_);
  const std::string above = shared_.ops.compare("icmp", "sle", kI64, out_end, from, 1, *out_);
  const std::string apart = shared_.ops.binary("or", kI1, below, above, 1, *out_);
  const std::string aside = shared_.ops.binary("xor", kI1, product.direct, "true", 1, *out_);
  return shared_.ops.binary("or", kI1, apart, aside, 1, *out_);
}

// Whether to begin reading here: i1. Where K ends within a step, what waited is multiplied before it, and the sums are
// written and read once more: packing a few steps costs less.
std::string Kernel::is_worth_it(const Product& product, const InPlace& rows) {
  const int64_t depth = product.plan.depth;
  const std::string far = std::to_string(kStepsWorthIt * depth);
  const std::string many = shared_.ops.compare("icmp", "sge", kI64, rows.depth, far, 1, *out_);
  const std::string over = shared_.ops.binary("and", kI64, rows.depth, std::to_string(depth - 1), 1, *out_);
  const std::string whole = shared_.ops.compare("icmp", "eq", kI64, over, "0", 1, *out_);
  return shared_.ops.binary("or", kI1, many, whole, 1, *out_);
}

// Addresses of this step's factors where they are read in place, else 0.
Reading Kernel::where_to_read(Product* product, const std::string& waiting) {
  Reading reading;
  std::optional<InPlace> left;
  std::optional<InPlace> right;
  if (product->rows_in_place || product->one_row) left = lies_in_place(*product, product->left);
  if (left && left->along_k && product->one_row) right = lies_in_place(*product, product->right);
  product->one_row = right && right->along_k;
  product->rows_in_place = product->rows_in_place && left && left->along_k;
  std::string tiles = "false";
  if (product->rows_in_place) {
    tiles = left->holds;
    auto require = [&](const std::string& condition) {
      tiles = shared_.ops.binary("and", kI1, tiles, condition, 1, *out_);
    };
    if (!product->direct.empty()) require(apart_from_output(*product, *left));
    if (!left->depth.empty()) {
      const std::string reads = shared_.ops.compare("icmp", "ne", kI64, waiting, "0", 1, *out_);
      require(shared_.ops.binary("or", kI1, reads, is_worth_it(*product, *left), 1, *out_));
    }
    if (product->plan.amx() && !is_constant(product->rows)) {  // tiles read all their rows
      const std::string over =
          shared_.ops.binary("urem", kI64, product->rows, std::to_string(product->plan.tile_rows), 1, *out_);
      require(shared_.ops.compare("icmp", "eq", kI64, over, "0", 1, *out_));
    }
  }
  if (product->one_row) {
    const std::string one = shared_.ops.compare("icmp", "eq", kI64, product->rows, "1", 1, *out_);
    std::string row = shared_.ops.binary("and", kI1, left->holds, right->holds, 1, *out_);
    row = shared_.ops.binary("and", kI1, row, one, 1, *out_);
    reading.right = shared_.ops.select(kI64, row, right->base, "0", 1, *out_);
    reading.right_pitch = shared_.ops.select(kI64, row, right->pitch, "0", 1, *out_);
    tiles = shared_.ops.binary("or", kI1, tiles, row, 1, *out_);
  }
  if (product->rows_in_place || product->one_row) {
    reading.left = shared_.ops.select(kI64, tiles, left->base, "0", 1, *out_);
    reading.left_pitch = shared_.ops.select(kI64, tiles, left->pitch, "0", 1, *out_);
  }
  return reading;
}

// Puts this step to what waits, which is multiplied before where it does not go on.
void Kernel::go_on_reading(const Product& product, const Reading& here, Waiting* waiting) {
  const DotPlan& plan = product.plan;
  auto equal = [&](const std::string& a, const std::string& b) {
    return shared_.ops.compare("icmp", "eq", kI64, a, b, 1, *out_);
  };
  auto both = [&](const std::string& a, const std::string& b) {
    return shared_.ops.binary("and", kI1, a, b, 1, *out_);
  };
  const std::string step_bytes = std::to_string(plan.depth * ttir::bytes_of(product.left.block->type.scalar));
  std::string steps = shared_.ops.binary("sub", kI64, waiting->step, waiting->from, 1, *out_);
  if (product.one_row) steps = shared_.ops.select(kI64, equal(waiting->right, "0"), steps, waiting->length, 1, *out_);
  const std::string distance = shared_.ops.binary("mul", kI64, steps, step_bytes, 1, *out_);
  auto goes_on = [&](const std::string& known, const std::string& pitch, const std::string& address,
                     const std::string& pitch_here) {
    const std::string next = shared_.ops.binary("add", kI64, known, distance, 1, *out_);
    const std::string expected = shared_.ops.select(kI64, equal(known, "0"), "0", next, 1, *out_);
    return both(equal(address, expected), equal(pitch, pitch_here));
  };
  std::string same = goes_on(waiting->left, waiting->left_pitch, here.left, here.left_pitch);
  if (product.one_row) same = both(same, goes_on(waiting->right, waiting->right_pitch, here.right, here.right_pitch));
  const std::string nothing = equal(steps, "0");
  const std::string stays = shared_.ops.binary("or", kI1, same, nothing, 1, *out_);
  const std::string run = module_.fresh_label();
  const std::string join = module_.fresh_label();
  const std::string before = out_->label;
  out_->line("br i1 " + stays + ", label %" + join + ", label %" + run);
  out_->open(run);
  const std::string groups = shared_.ops.binary("mul", kI64, steps, std::to_string(plan.depth / plan.group), 1, *out_);
  multiply(product, *waiting, groups, "false");
  const std::string after = out_->label;
  out_->line("br label %" + join);
  out_->open(join);
  const std::string begun = module_.fresh();
  out_->line(begun + " = phi i64 [ " + waiting->begun + ", %" + before + " ], [ 1, %" + after + " ]");
  waiting->begun = begun;
  note_waiting(product, &Waiting::begun, begun);
  const std::string continues = both(same, shared_.ops.binary("xor", kI1, nothing, "true", 1, *out_));
  auto begin_with = [&](std::string Waiting::*number, const std::string& value) {
    waiting->*number = shared_.ops.select(kI64, continues, waiting->*number, value, 1, *out_);
    note_waiting(product, number, waiting->*number);
  };
  begin_with(&Waiting::from, waiting->step);
  begin_with(&Waiting::left, here.left);
  begin_with(&Waiting::left_pitch, here.left_pitch);
  if (!product.one_row) return;
  begin_with(&Waiting::right, here.right);
  begin_with(&Waiting::right_pitch, here.right_pitch);
  begin_with(&Waiting::length, "0");
}

}  // namespace fl::compiler
