// Matrix products by packed factors and tiles of sums in registers.
//
// Note [Products]: where tt.dot stands, its factors are packed, each by a loop nest of its own, so whatever they are
// computed from - masks, remainders, conversions - is no concern of the product. If the sum only goes round the loop
// (analysis/product.h), the product itself waits: a chunk of steps is packed before one call multiplies them all, which
// reads and writes each sum once. Rows and columns that no store looks at are neither packed nor multiplied. What a
// program has packed stays for later ones (kernel_kept.cc).

#include <algorithm>

#include "base/error.h"
#include "compiler/lower/dot_code.h"
#include "compiler/lower/kernel.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

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
  nest.make_loops(shape, natural_order(shape, last_dimension(shape)), last_dimension(shape));
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
  if (plan->has_offset()) product->right.offsets = allocate_bytes(chunks * plan->columns * 4, until);
  if (loop != nullptr) {
    product->state = allocate_bytes(16, schedule_.end.at(loop));
    const std::string state = arena_pointer(product->state);
    out_->line("store <2 x i64> zeroinitializer, ptr " + state + ", align 8");
  }
  return product;
}

// One step of a factor to `to` (i64): a nest that writes it as it is wanted, or aside from where it is rearranged.
void Kernel::pack(const Product& product, PackedFactor* factor, const std::string& to) {
  const DotPlan& plan = product.plan;
  const bool left = factor->along == 0;
  const int64_t size = plan.packed_bytes();
  const int64_t span = left ? plan.rows : plan.columns;
  const std::string& live = left ? product.rows : product.columns;
  const int64_t panel = left ? span : plan.panel;
  const std::vector<int64_t>& shape = factor->block->type.shape;

  Nest probe(shared_, Nest::Mode::kFast);
  probe.make_loops(shape, natural_order(shape, last_dimension(shape)), last_dimension(shape));
  probe.assume_small_remainders();
  const std::optional<size_t> unit = probe.unit_dimension(factor->block);
  const bool along_k = unit ? *unit != factor->along : left;
  const bool direct = left ? along_k || plan.group == 1 || plan.amx() : !along_k && plan.group == 1;
  const bool transposed = !left && along_k;

  Place place;
  std::vector<Loop> loops;
  Coordinates at(2);
  const size_t k = 1 - factor->along;
  auto loop_over = [&](std::vector<std::pair<size_t, int64_t>> terms, std::vector<int64_t> extents) {
    for (size_t l = 0; l < extents.size(); ++l) loops.push_back({extents[l], l + 1 == extents.size(), "", ""});
    for (Index& index : at) index.coefficients.assign(loops.size(), 0);
    for (size_t l = 0; l < loops.size(); ++l) at[terms[l].first].coefficients[l] = terms[l].second;
  };
  std::string target = to;
  if (!direct) {
    const int64_t aside = allocate(factor->block->type.with_element(Type::of(plan.packed)), position_);
    const std::string pointer = arena_pointer(aside);
    target = module_.fresh();
    out_->line(target + " = ptrtoint ptr " + pointer + " to i64");
  }
  if (left && direct && along_k) {
    loop_over({{0, 1}, {1, 1}}, {span, plan.depth});
    place.strides = {plan.left_row, size};
  } else if (left && direct) {
    loop_over({{1, 1}, {0, 1}}, {plan.depth, span});
    place.strides = plan.amx() ? std::vector<int64_t>{size, plan.left_row} : std::vector<int64_t>{span * size, size};
  } else if (direct) {
    loop_over({{0, 1}, {1, panel}, {1, 1}}, {plan.depth, span / panel, panel});
    place.strides = {panel * size, plan.panel_bytes(), size};
  } else if (transposed) {
    loop_over({{factor->along, 1}, {k, 1}}, {span, plan.depth});
    place.strides = {plan.depth * size, size};
  } else {
    loop_over({{k, 1}, {factor->along, 1}}, {plan.depth, span});
    place.strides = {span * size, size};
  }
  place.base = target;
  Sink sink;
  sink.value = factor->block;
  sink.as = plan.packed;
  sink.place = &place;
  sink.shifted = left && plan.multiply == Multiply::kQuads8;
  // What is only moved is moved in whole registers.
  const bool moved = factor->block->producer != nullptr && factor->block->producer->op == Op::kLoad &&
                     factor->block->type.scalar == plan.packed && !shared_.slots.contains(factor->block);
  const int lanes = moved ? target_.lanes * 4 / static_cast<int>(size) : target_.lanes;
  auto write = [&](Nest::Mode mode, bool remainders, const std::function<void()>& otherwise) {
    Nest nest(shared_, mode);
    nest.set_loops(loops, loops.size() - 1, at, lanes);
    if (!is_constant(live)) nest.restrict(factor->along, live);
    if (remainders) nest.assume_small_remainders();
    nest.before().label = out_->label;
    nest.map({sink});
    write_nest(nest, otherwise);
  };
  auto exact = [&] { write(Nest::Mode::kExact, false, [] {}); };
  write(Nest::Mode::kFast, true, exact);
  if (direct) return;
  const int64_t panel_bytes = left ? 0 : plan.panel_bytes();
  const std::string function = transposed ? transpose_function(module_, shared_.ops, plan, span, panel, panel_bytes)
                                          : interleave_function(module_, shared_.ops, plan, span, panel, panel_bytes);
  const std::string from = module_.fresh();
  const std::string into = module_.fresh();
  out_->line(from + " = inttoptr i64 " + target + " to ptr");
  out_->line(into + " = inttoptr i64 " + to + " to ptr");
  out_->line("call void " + function + "(ptr " + from + ", ptr " + into + ", i64 " + live + ")");
}

// How the left factor comes to lie, which depends on its strides; and with it how far its steps are apart.
void Kernel::lay_out(Product* product) {
  DotPlan& plan = product->plan;
  const std::vector<int64_t>& shape = product->left.block->type.shape;
  Nest probe(shared_, Nest::Mode::kFast);
  probe.make_loops(shape, natural_order(shape, last_dimension(shape)), last_dimension(shape));
  probe.assume_small_remainders();
  const std::optional<size_t> unit = probe.unit_dimension(product->left.block);
  product->left.step_bytes = plan.depth * plan.packed_bytes();
  if (unit == size_t{0} && !plan.amx()) {  // rows side by side
    plan.left_row = plan.lane_bytes();
    plan.left_step = plan.rows * plan.lane_bytes();
    product->left.step_bytes = plan.depth * plan.rows * plan.packed_bytes();
  }
  product->right.step_bytes = plan.depth * plan.panel * plan.packed_bytes();
}

void Kernel::pack_unless_kept(const Product& product, PackedFactor* factor, const std::string& step,
                              const std::string& chunk) {
  const std::string base = module_.fresh();
  const std::string start = arena_pointer(factor->buffer);
  out_->line(base + " = ptrtoint ptr " + start + " to i64");
  auto scaled = [&](const std::string& number, int64_t by) {
    return shared_.ops.binary("mul", kI64, number, std::to_string(by), 1, *out_);
  };
  const std::string within =
      shared_.ops.binary("add", kI64, scaled(chunk, factor->chunk_bytes), scaled(step, factor->step_bytes), 1, *out_);
  const std::string to = shared_.ops.binary("add", kI64, base, within, 1, *out_);
  if (factor->kept.empty()) return pack(product, factor, to);
  const std::string write = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + factor->kept + ", label %" + join + ", label %" + write);
  out_->open(write);
  pack(product, factor, to);
  out_->line("br label %" + join);
  out_->open(join);
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
    nest.make_loops(shape, natural_order(shape, last_dimension(shape)), last_dimension(shape));
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

// The product of what is packed in one chunk.
void Kernel::multiply(const Product& product, const std::string& steps, const std::string& chunk,
                      const std::string& last) {
  const DotPlan& plan = product.plan;
  auto chunk_of = [&](const PackedFactor& factor) {
    const std::string distance = shared_.ops.binary("mul", kI64, chunk, std::to_string(factor.chunk_bytes), 1, *out_);
    const std::string start = arena_pointer(factor.buffer);
    const std::string place = module_.fresh();
    out_->line(place + " = getelementptr i8, ptr " + start + ", i64 " + distance);
    return place;
  };
  const std::string left = chunk_of(product.left);
  const std::string right = chunk_of(product.right);
  const std::string whole = shared_.ops.binary("sub", kI64, steps, "1", 1, *out_);
  const std::string before = shared_.ops.binary("mul", kI64, whole, std::to_string(plan.depth / plan.group), 1, *out_);
  const std::string groups = shared_.ops.binary("add", kI64, before, live_groups(product), 1, *out_);
  std::string offset = "null";
  if (plan.has_offset()) {
    const std::string function = offset_function(module_, shared_.ops, plan);
    offset = module_.fresh();
    const std::string distance = shared_.ops.binary("mul", kI64, chunk, std::to_string(plan.columns * 4), 1, *out_);
    const std::string start = arena_pointer(product.right.offsets);
    out_->line(offset + " = getelementptr i8, ptr " + start + ", i64 " + distance);
    out_->line("call void " + function + "(ptr " + right + ", i64 " + groups + ", i64 " + product.columns + ", ptr " +
               offset + ")");
  }
  std::string fresh = "false";
  if (product.from_zero) {
    fresh = product.loop == nullptr
                ? "true"
                : shared_.ops.compare("icmp", "eq", kI64, load_i64(arena_pointer(product.state + 8)), "0", 1, *out_);
  }
  std::string out = "null";
  std::string finish = "false";
  if (!product.direct.empty()) {
    out = module_.fresh();
    out_->line(out + " = inttoptr i64 " + product.out + " to ptr");
    finish = shared_.ops.binary("and", kI1, product.direct, last, 1, *out_);
  }
  const std::string sums = arena_pointer(product.sums);
  const std::string function = dot_function(module_, shared_.ops, plan);
  out_->line("call void " + function + "(ptr " + left + ", ptr " + right + ", ptr " + sums + ", i64 " + groups +
             ", i64 " + product.rows + ", i64 " + product.columns + ", i1 " + fresh + ", ptr " + offset + ", ptr " +
             out + ", i64 " + (product.direct.empty() ? "0" : product.pitch) + ", i1 " + finish + ")");
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

void Kernel::put_off(Product* product) {
  const Operation& loop = *product->loop;
  lay_out(product);
  const std::string steps_at = arena_pointer(product->state);
  const std::string chunk_at = arena_pointer(product->state + 8);
  const std::string step = load_i64(steps_at);
  const std::string number = load_i64(chunk_at);
  const std::string chunk = shared_.ops.binary("mul", kI64, number, product->chunk_step, 1, *out_);
  pack_unless_kept(*product, &product->left, step, chunk);
  pack_unless_kept(*product, &product->right, step, chunk);
  const std::string packed = shared_.ops.binary("add", kI64, step, "1", 1, *out_);
  const std::string full =
      shared_.ops.compare("icmp", "eq", kI64, packed, std::to_string(product->plan.steps), 1, *out_);
  const std::string following =
      shared_.ops.binary("add", kI64, wide(loop.regions[0]->entry().arguments[0]), wide(loop.operands[2]), 1, *out_);
  const std::string last = shared_.ops.compare("icmp", "sge", kI64, following, wide(loop.operands[1]), 1, *out_);
  const std::string now = shared_.ops.binary("or", kI1, full, last, 1, *out_);
  const std::string before = out_->label;
  const std::string run = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + now + ", label %" + run + ", label %" + join);
  out_->open(run);
  multiply(*product, packed, chunk, last);
  out_->line("store i64 " + shared_.ops.binary("add", kI64, number, "1", 1, *out_) + ", ptr " + chunk_at);
  const std::string after = out_->label;
  out_->line("br label %" + join);
  out_->open(join);
  const std::string left_over = module_.fresh();
  out_->line(left_over + " = phi i64 [ " + packed + ", %" + before + " ], [ 0, %" + after + " ]");
  out_->line("store i64 " + left_over + ", ptr " + steps_at);
}

// A dot that stands by itself.
void Kernel::multiply_now(Product* product) {
  lay_out(product);
  pack_unless_kept(*product, &product->left, "0", "0");
  pack_unless_kept(*product, &product->right, "0", "0");
  multiply(*product, "1", "0", "true");
}

}  // namespace fl::compiler
