// Matrix products by packed factors and tiles of sums in registers.
//
// Note [Products]: where tt.dot stands, its factors are packed, each by a loop nest of its own, so whatever they are
// computed from - masks, remainders, conversions - is no concern of the product. If the sum only goes round the loop
// (analysis/product.h), the product itself waits: a chunk of steps is packed before one call multiplies them all, which
// reads and writes each sum once. Rows and columns that no store looks at are neither packed nor multiplied. What a
// program has packed stays for later ones (kernel/kept.cc), and what can be read where it lies is not packed at all
// (kernel/in_place.cc).

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "compiler/lower/dot/code.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

// The numbers of a Waiting in the order in which the arena holds them.
constexpr std::string Waiting::*kWaiting[] = {&Waiting::step,        &Waiting::chunk,      &Waiting::from,
                                              &Waiting::left,        &Waiting::left_pitch, &Waiting::right,
                                              &Waiting::right_pitch, &Waiting::length,     &Waiting::begun};

constexpr int64_t kKeptBytes = int64_t{4} << 20;  // of each packed factor, a thread: K up to 8192 for 128 floats

}  // namespace

std::string Kernel::arena_pointer(int64_t offset, Stream& out) {
  const std::string place = module_.fresh();
  const bool kept = offset >= kKeptOffsets;
  out.line(place + " = getelementptr i8, ptr " + (kept ? "%kept" : "%scratch") + ", i64 " +
           std::to_string(kept ? offset - kKeptOffsets : offset));
  return place;
}

std::string Kernel::load_i64(const std::string& pointer) {
  const std::string value = module_.fresh();
  out_->line(value + " = load i64, ptr " + pointer);
  return value;
}

std::string Kernel::wide(const Value* scalar) {
  const std::string& value = text(scalar);
  if (scalar->type.is(Scalar::kI1) && is_constant(value)) return value == "true" ? "1" : "0";
  if (scalar->type.pointer || scalar->type.scalar == Scalar::kI64 || is_constant(value)) return value;
  if (scalar->type.holds_integer())
    return shared_.ops.convert(scalar->type.is(Scalar::kI1) ? "zext" : "sext", scalar->type, kI64, value, 1, *out_);
  const Type bits = Type::of(ttir::bits_of(scalar->type.scalar) == 64   ? Scalar::kI64
                             : ttir::bits_of(scalar->type.scalar) == 32 ? Scalar::kI32
                                                                        : Scalar::kI16);
  const std::string cast = scalar->type.scalar == Scalar::kBF16
                               ? value
                               : shared_.ops.convert("bitcast", scalar->type, bits, value, 1, *out_);
  return bits.scalar == Scalar::kI64 ? cast : shared_.ops.convert("zext", bits, kI64, cast, 1, *out_);
}

// The scalars that the masks of later stores are made of, computed now. False if one cannot be.
bool Kernel::compute_scalars(const Value* value) {
  if (!value->type.tensor && shared_.scalars.contains(value)) return true;
  if (value->type.tensor && shared_.slots.contains(value)) return true;
  const Operation* producer = value->producer;
  if (producer == nullptr || ttir::row_of(producer->op).effect != ttir::Effect::kPure || !producer->regions.empty() ||
      producer->op == Op::kDot || producer->op == Op::kHistogram) {
    return false;
  }
  for (const Value* operand : producer->operands)
    if (!compute_scalars(operand)) return false;
  if (!value->type.tensor) scalar(*producer);
  return true;
}

// How many rows and columns of the sum are stored in the end; and where, if the product can store them itself.
void Kernel::find_live_part(Product* product) {
  product->rows = std::to_string(product->plan.rows);
  product->columns = std::to_string(product->plan.columns);
  const Operation* store = only_store(*product->dot, product->loop, users_);
  if (store != nullptr && !may_store(product->plan, *store)) store = nullptr;
  std::vector<const Value*> masks;
  if (auto found = masks_of_uses(product->dot->result(), users_)) masks = std::move(*found);
  if (masks.empty() && (store == nullptr || store->operands.size() > 2)) return;
  for (const Value* mask : masks)
    if (!compute_scalars(mask)) return;
  if (store != nullptr && !compute_scalars(store->operands[0])) store = nullptr;
  Nest nest(shared_, Nest::Mode::kFast);
  const std::vector<int64_t>& shape = product->dot->result()->type.shape;
  loops_over(&nest, shape);
  nest.before().label = out_->label;
  bool exactly = true;
  std::vector<std::string> counts(2);
  if (!masks.empty()) counts = nest.live_counts(masks, &exactly);
  const size_t guards = nest.guards().size();
  std::optional<Nest::Strided> place;
  if (store != nullptr && exactly) place = nest.strided(store->operands[0]);
  out_->text += nest.before().text;
  out_->label = nest.before().label;
  auto all_of = [&](size_t from, size_t to, std::string all) {
    for (size_t i = from; i < to; ++i) {
      const std::string& guard = nest.guards()[i];
      all = all == "true" ? guard : shared_.ops.binary("and", kI1, all, guard, 1, *out_);
    }
    return all;
  };
  const std::string safe = all_of(0, guards, "true");
  product->direct = place ? all_of(guards, nest.guards().size(), safe) : "";
  for (size_t d = 0; d < 2; ++d) {
    if (counts[d].empty()) continue;
    const std::string extent = std::to_string(shape[d]);
    std::string count = shared_.ops.intrinsic("smin", kI64, {counts[d], extent}, 1, *out_);
    count = shared_.ops.intrinsic("smax", kI64, {count, "0"}, 1, *out_);
    std::string& live = d == 0 ? product->rows : product->columns;
    live = shared_.ops.select(kI64, safe, count, extent, 1, *out_);
    if (!place) continue;
    const std::string whole = shared_.ops.compare("icmp", "eq", kI64, count, extent, 1, *out_);
    product->direct = shared_.ops.binary("and", kI1, product->direct, whole, 1, *out_);
  }
  if (!place) return;
  const int64_t size = ttir::bytes_of(store->operands[1]->type.scalar);
  if (place->strides.size() != 2 || !place->strides[1].is(size)) {
    product->direct.clear();
    return;
  }
  if (product->loop != nullptr) {  // no iteration, no product
    const std::string some = shared_.ops.compare("icmp", "slt", kI64, wide(product->loop->operands[0]),
                                                 wide(product->loop->operands[1]), 1, *out_);
    product->direct = shared_.ops.binary("and", kI1, product->direct, some, 1, *out_);
  }
  product->out = place->base;
  product->pitch = place->strides[0].text();
  product->plan.out = store->operands[1]->type.scalar;
  direct_stores_[store] = product->direct;
}

// Whether the product can write what is stored, and nothing else is stored in the same nest.
bool Kernel::may_store(const DotPlan& plan, const Operation& store) const {
  const Scalar scalar = store.operands[1]->type.scalar;
  auto group = schedule_.store_groups.find(&store);
  if (group == schedule_.store_groups.end() || group->second.size() != 1) return false;
  return scalar == plan.sum || (!plan.amx() && plan.sum == Scalar::kF32 && ttir::bits_of(scalar) == 16);
}

// Everything that is known before the first step, written where the loop (or the dot) begins.
std::unique_ptr<Product> Kernel::begin_product(const Operation& dot, const Operation* loop) {
  const std::optional<DotPlan> plan = plan_dot(dot, target_, loop != nullptr);
  if (!plan) return nullptr;
  auto product = std::make_unique<Product>();
  product->plan = *plan;
  product->dot = &dot;
  product->loop = loop;
  product->left.block = dot.operands[0];
  product->left.along = 0;
  product->right.block = dot.operands[1];
  product->right.along = 1;
  product->left.chunk_bytes = plan->left_bytes();
  product->right.chunk_bytes = plan->right_bytes();
  find_live_part(product.get());

  const Operation& at = loop != nullptr ? *loop : dot;
  const bool keeps = may_keep_factors(function_, at, schedule_);
  const int until = std::max(position_, schedule_.end.at(&at));
  std::string fits = "true";
  product->chunk_step = "0";
  int64_t chunks = 1;
  if (keeps)
    chunks = std::max<int64_t>(1, kKeptBytes / std::max(product->left.chunk_bytes, product->right.chunk_bytes));
  if (loop != nullptr) {
    // ceil((upper - lower) / step) of the loop, whose step is positive
    const std::string span =
        shared_.ops.binary("sub", kI64, wide(loop->operands[1]), wide(loop->operands[0]), 1, *out_);
    const std::string step = shared_.ops.intrinsic("smax", kI64, {wide(loop->operands[2]), "1"}, 1, *out_);
    const std::string room = shared_.ops.binary("mul", kI64, step, std::to_string(chunks * plan->steps), 1, *out_);
    fits = shared_.ops.compare("icmp", "sle", kI64, span, room, 1, *out_);
    product->chunk_step = shared_.ops.convert("zext", kI1, kI64, fits, 1, *out_);
  }
  for (PackedFactor* factor : {&product->left, &product->right}) {
    if (keeps) find_kept(*product, factor, fits);
    const int64_t bytes = chunks * factor->chunk_bytes;
    factor->buffer = factor->kept.empty() ? allocate_bytes(bytes, until) : allocate_kept(bytes);
  }
  if (plan->has_offset()) begin_offsets(product.get(), until);
  may_read_in_place(product.get());
  if (loop != nullptr) {
    product->state = allocate_bytes(8 * std::size(kWaiting), schedule_.end.at(loop));
    for (std::string Waiting::*number : kWaiting) note_waiting(*product, number, "0");
  }
  return product;
}

// How many groups of the last packed step count: beyond the end of K both factors are loaded as zeros.
std::string Kernel::live_groups(const Product& product) {
  const DotPlan& plan = product.plan;
  const int64_t all = plan.depth / plan.group;
  const std::string extent = std::to_string(plan.depth);
  std::string live = "0";
  for (const PackedFactor* factor : {&product.left, &product.right}) {
    const Operation* load = factor->block->producer;
    const bool masked = load != nullptr && load->op == Op::kLoad && load->operands.size() > 1 &&
                        load->operands[1]->type.tensor && !shared_.slots.contains(factor->block) &&
                        (load->operands.size() == 2 || is_zero(load->operands[2]));
    if (!masked) return std::to_string(all);
    Nest nest(shared_, Nest::Mode::kFast);
    const std::vector<int64_t>& shape = factor->block->type.shape;
    loops_over(&nest, shape);
    nest.before().label = out_->label;
    bool exactly = true;
    const std::string count = nest.live_counts({load->operands[1]}, &exactly)[1 - factor->along];
    if (count.empty()) return std::to_string(all);
    out_->text += nest.before().text;
    out_->label = nest.before().label;
    std::string safe = "true";
    for (const std::string& guard : nest.guards())
      safe = safe == "true" ? guard : shared_.ops.binary("and", kI1, safe, guard, 1, *out_);
    const std::string least = shared_.ops.intrinsic("smin", kI64, {count, extent}, 1, *out_);
    live =
        shared_.ops.intrinsic("smax", kI64, {live, shared_.ops.select(kI64, safe, least, extent, 1, *out_)}, 1, *out_);
  }
  const int64_t unit = plan.unroll() * plan.group;  // which the functions take at a time, at least once
  std::string up = shared_.ops.intrinsic("smax", kI64, {live, "1"}, 1, *out_);
  up = shared_.ops.binary("add", kI64, up, std::to_string(unit - 1), 1, *out_);
  up = shared_.ops.binary("and", kI64, up, std::to_string(-unit), 1, *out_);
  return shared_.ops.binary("udiv", kI64, up, std::to_string(plan.group), 1, *out_);
}

// The product of what waits: so many groups, or elements where one row is multiplied.
void Kernel::multiply(const Product& product, const Waiting& waiting, const std::string& groups,
                      const std::string& last) {
  std::string fresh = "false";
  if (product.from_zero) fresh = shared_.ops.compare("icmp", "eq", kI64, waiting.begun, "0", 1, *out_);
  if (!product.one_row) return multiply_tiles(product, waiting, groups, fresh, last);
  const std::string row = module_.fresh_label();
  const std::string tiles = module_.fresh_label();
  const std::string join = module_.fresh_label();
  const std::string is_row = shared_.ops.compare("icmp", "ne", kI64, waiting.right, "0", 1, *out_);
  out_->line("br i1 " + is_row + ", label %" + row + ", label %" + tiles);
  out_->open(row);
  const std::string function = row_function(module_, shared_.ops, product.left.block->type.scalar, target_.lanes, true);
  const std::string depth =
      shared_.ops.binary("mul", kI64, waiting.length, std::to_string(product.plan.depth), 1, *out_);
  out_->line("call void " + function + "(ptr " + pointer_to(waiting.left) + ", ptr " + pointer_to(waiting.right) +
             ", i64 " + waiting.right_pitch + ", ptr " + arena_pointer(product.sums) + ", i64 " + depth + ", i64 " +
             product.columns + ", i1 " + fresh + ")");
  out_->line("br label %" + join);
  out_->open(tiles);
  multiply_tiles(product, waiting, groups, fresh, last);
  out_->line("br label %" + join);
  out_->open(join);
}

void Kernel::multiply_tiles(const Product& product, const Waiting& waiting, const std::string& groups,
                            const std::string& fresh, const std::string& last) {
  const DotPlan& plan = product.plan;
  const std::string right = pointer_to(place_in_buffer(product.right, waiting.chunk, waiting.from));
  std::string left = place_in_buffer(product.left, waiting.chunk, waiting.from);
  std::string left_row = std::to_string(plan.left_row);
  std::string last_row = std::to_string(plan.rows - 1);
  if (product.rows_in_place) {
    const std::string in_place = shared_.ops.compare("icmp", "ne", kI64, waiting.left, "0", 1, *out_);
    const std::string last_live = shared_.ops.binary("sub", kI64, product.rows, "1", 1, *out_);
    left = shared_.ops.select(kI64, in_place, waiting.left, left, 1, *out_);
    left_row = shared_.ops.select(kI64, in_place, waiting.left_pitch, left_row, 1, *out_);
    last_row = shared_.ops.select(kI64, in_place, last_live, last_row, 1, *out_);
  }
  left = pointer_to(left);
  std::string offset = "null";
  if (plan.has_offset()) {
    offset = arena_pointer(product.offsets);
    write_offsets(product, right, waiting, groups, offset);
  }
  std::string out = "null";
  std::string finish = "false";
  if (!product.direct.empty()) {
    out = pointer_to(product.out);
    finish = shared_.ops.binary("and", kI1, product.direct, last, 1, *out_);
  }
  const std::string sums = arena_pointer(product.sums);
  const std::string function = dot_function(module_, shared_.ops, plan);
  out_->line("call void " + function + "(ptr " + left + ", i64 " + left_row + ", i64 " + last_row + ", ptr " + right +
             ", ptr " + sums + ", i64 " + groups + ", i64 " + product.rows + ", i64 " + product.columns + ", i1 " +
             fresh + ", ptr " + offset + ", ptr " + out + ", i64 " + (product.direct.empty() ? "0" : product.pitch) +
             ", i1 " + finish + ")");
}

// Offsets belong to what is packed of the right factor and stay with it: behind them is noted which groups they are of.
void Kernel::begin_offsets(Product* product, int until) {
  const int64_t bytes = product->plan.columns * 4;
  if (product->right.kept.empty()) {
    product->offsets = allocate_bytes(bytes, until);
    return;
  }
  product->offsets = allocate_kept(bytes + 8);
  const std::string noted = arena_pointer(product->offsets + bytes);
  const std::string still = shared_.ops.select(kI64, product->right.kept, load_i64(noted), "0", 1, *out_);
  out_->line("store i64 " + still + ", ptr " + noted);
}

void Kernel::write_offsets(const Product& product, const std::string& right, const Waiting& waiting,
                           const std::string& groups, const std::string& offset) {
  const DotPlan& plan = product.plan;
  const std::string call = "call void " + offset_function(module_, shared_.ops, plan) + "(ptr " + right + ", i64 " +
                           groups + ", i64 " + product.columns + ", ptr " + offset + ")";
  if (product.right.kept.empty()) return out_->line(call);
  auto binary = [&](const char* instruction, const std::string& a, const std::string& b) {
    return shared_.ops.binary(instruction, kI64, a, b, 1, *out_);
  };
  const std::string first = binary("add", binary("mul", waiting.chunk, std::to_string(plan.steps)), waiting.from);
  const std::string own = binary("add", binary("shl", first, "32"), groups);  // never 0
  const std::string noted = arena_pointer(product.offsets + plan.columns * 4);
  const std::string same = shared_.ops.compare("icmp", "eq", kI64, load_i64(noted), own, 1, *out_);
  const std::string write = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + same + ", label %" + join + ", label %" + write);
  out_->open(write);
  out_->line(call);
  const std::string note = binary("mul", own, product.chunk_step);  // 0 where chunks take each other's place
  out_->line("store i64 " + note + ", ptr " + noted);
  out_->line("br label %" + join);
  out_->open(join);
}

std::string Kernel::pointer_to(const std::string& address) {
  const std::string pointer = module_.fresh();
  out_->line(pointer + " = inttoptr i64 " + address + " to ptr");
  return pointer;
}

// The address of a step in a factor's buffer.
std::string Kernel::place_in_buffer(const PackedFactor& factor, const std::string& chunk, const std::string& step) {
  const std::string base = module_.fresh();
  const std::string start = arena_pointer(factor.buffer);
  out_->line(base + " = ptrtoint ptr " + start + " to i64");
  auto scaled = [&](const std::string& number, int64_t by) {
    return shared_.ops.binary("mul", kI64, number, std::to_string(by), 1, *out_);
  };
  const std::string within =
      shared_.ops.binary("add", kI64, scaled(chunk, factor.chunk_bytes), scaled(step, factor.step_bytes), 1, *out_);
  return shared_.ops.binary("add", kI64, base, within, 1, *out_);
}

// What the sum is before the loop. Zeros are only written when no iteration does.
void Kernel::start_sum(Product* product, const Value* start, int64_t slot) {
  product->sums = slot;
  product->from_zero = is_zero(start);
  if (!product->from_zero) return emit({{nullptr, start, slot}});
  const Operation& loop = *product->loop;
  const std::string none =
      shared_.ops.compare("icmp", "sge", kI64, wide(loop.operands[0]), wide(loop.operands[1]), 1, *out_);
  const std::string write = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + none + ", label %" + write + ", label %" + join);
  out_->open(write);
  emit({{nullptr, start, slot}});
  out_->line("br label %" + join);
  out_->open(join);
}

bool Kernel::is_zero(const Value* block) {
  const Value* source = uniform_source(block);
  return source != nullptr && source->producer != nullptr && source->producer->op == Op::kConstant &&
         source->producer->constant == 0;
}

// What waits, as it was noted last.
Waiting Kernel::load_waiting(const Product& product) {
  Waiting waiting;
  for (size_t i = 0; i < std::size(kWaiting); ++i)
    waiting.*kWaiting[i] = load_i64(arena_pointer(product.state + static_cast<int64_t>(8 * i)));
  return waiting;
}

void Kernel::note_waiting(const Product& product, std::string Waiting::*number, const std::string& value) {
  const auto place = std::find(std::begin(kWaiting), std::end(kWaiting), number) - std::begin(kWaiting);
  const std::string pointer = arena_pointer(product.state + 8 * place);
  out_->line("store i64 " + value + ", ptr " + pointer);
}

void Kernel::put_off(Product* product) {
  const Operation& loop = *product->loop;
  const DotPlan& plan = product->plan;
  lay_out(product);
  Waiting waiting = load_waiting(*product);
  const Reading here = where_to_read(product, waiting.left);
  if (product->rows_in_place || product->one_row) go_on_reading(*product, here, &waiting);
  pack_unless_kept(*product, &product->left, here.left, waiting.step, waiting.chunk);
  pack_unless_kept(*product, &product->right, here.right, waiting.step, waiting.chunk);

  auto binary = [&](const char* instruction, const std::string& a, const std::string& b) {
    return shared_.ops.binary(instruction, kI64, a, b, 1, *out_);
  };
  std::string packed = binary("add", waiting.step, "1");
  std::string full = shared_.ops.compare("icmp", "eq", kI64, packed, std::to_string(plan.steps), 1, *out_);
  if (product->one_row) {
    const std::string tiles = shared_.ops.compare("icmp", "eq", kI64, here.right, "0", 1, *out_);
    packed = shared_.ops.select(kI64, tiles, packed, waiting.step, 1, *out_);
    full = shared_.ops.binary("and", kI1, full, tiles, 1, *out_);
    waiting.length = binary("add", waiting.length, "1");
    note_waiting(*product, &Waiting::length, waiting.length);
  }
  const std::string following = binary("add", wide(loop.regions[0]->entry().arguments[0]), wide(loop.operands[2]));
  const std::string last = shared_.ops.compare("icmp", "sge", kI64, following, wide(loop.operands[1]), 1, *out_);
  const std::string now = shared_.ops.binary("or", kI1, full, last, 1, *out_);
  const std::string before = out_->label;
  const std::string run = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + now + ", label %" + run + ", label %" + join);
  out_->open(run);
  const std::string whole = binary("sub", binary("sub", packed, waiting.from), "1");
  const std::string whole_groups = binary("mul", whole, std::to_string(plan.depth / plan.group));
  multiply(*product, waiting, binary("add", whole_groups, live_groups(*product)), last);
  note_waiting(*product, &Waiting::chunk, binary("add", waiting.chunk, product->chunk_step));
  note_waiting(*product, &Waiting::from, "0");
  note_waiting(*product, &Waiting::begun, "1");
  const std::string after = out_->label;
  out_->line("br label %" + join);
  out_->open(join);
  const std::string left_over = module_.fresh();
  out_->line(left_over + " = phi i64 [ " + packed + ", %" + before + " ], [ 0, %" + after + " ]");
  note_waiting(*product, &Waiting::step, left_over);
}

// A dot that stands by itself.
void Kernel::multiply_now(Product* product) {
  lay_out(product);
  const Reading here = where_to_read(product, "0");
  pack_unless_kept(*product, &product->left, here.left, "0", "0");
  pack_unless_kept(*product, &product->right, here.right, "0", "0");
  const Waiting waiting{"0", "0", "0", here.left, here.left_pitch, here.right, here.right_pitch, "1", "0"};
  multiply(*product, waiting, live_groups(*product), "true");
}

}  // namespace fl::compiler
