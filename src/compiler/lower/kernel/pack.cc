// Packing the factors of a product, where its dot stands.

#include "compiler/lower/dot/code.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

// One step of a factor to `to` (i64): a nest that writes it as it is wanted; or it is rearranged, from where it lies or
// from where a nest puts it aside.
void Kernel::pack(const Product& product, PackedFactor* factor, const std::string& to) {
  const DotPlan& plan = product.plan;
  const bool left = factor->along == 0;
  const int64_t size = plan.packed_bytes();
  const int64_t span = left ? plan.rows : plan.columns;
  const std::string& live = left ? product.rows : product.columns;
  const int64_t panel = left ? span : plan.panel;
  const std::vector<int64_t>& shape = factor->block->type.shape;

  Nest probe(shared_, Nest::Mode::kFast);
  loops_over(&probe, shape);
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
  Packing packing{span, panel, left ? 0 : plan.panel_bytes()};
  std::string target = to;
  std::string pitch = std::to_string((transposed ? plan.depth : span) * size);
  std::optional<InPlace> here;
  std::string read_here;
  const std::string join = module_.fresh_label();
  if (!direct) {
    if (factor->block->type.scalar == plan.packed) here = lies_in_place(product, *factor);
    if (here && here->along_k != transposed) here.reset();
    if (here) {
      const int64_t once = packed_at_once(plan, packing, transposed);
      if (!is_constant(live)) {  // none behind the last is there to be read
        const std::string over = shared_.ops.binary("and", kI64, live, std::to_string(once - 1), 1, *out_);
        const std::string even = shared_.ops.compare("icmp", "eq", kI64, over, "0", 1, *out_);
        here->holds = shared_.ops.binary("and", kI1, here->holds, even, 1, *out_);
      }
      const std::string aside = module_.fresh_label();
      read_here = out_->label;
      out_->line("br i1 " + here->holds + ", label %" + join + ", label %" + aside);
      out_->open(aside);
    }
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
  if (here) {
    const std::string written = out_->label;
    out_->line("br label %" + join);
    out_->open(join);
    auto either = [&](const std::string& in_memory, const std::string& aside) {
      const std::string value = module_.fresh();
      out_->line(value + " = phi i64 [ " + in_memory + ", %" + read_here + " ], [ " + aside + ", %" + written + " ]");
      return value;
    };
    const std::string base = either(here->base, target);
    pitch = either(here->pitch, pitch);
    target = base;
  }
  const std::string function = transposed ? transpose_function(module_, shared_.ops, plan, packing)
                                          : interleave_function(module_, shared_.ops, plan, packing);
  const std::string from = module_.fresh();
  const std::string into = module_.fresh();
  out_->line(from + " = inttoptr i64 " + target + " to ptr");
  out_->line(into + " = inttoptr i64 " + to + " to ptr");
  out_->line("call void " + function + "(ptr " + from + ", i64 " + pitch + ", ptr " + into + ", i64 " + live + ")");
}

// How the left factor comes to lie, which depends on its strides; and with it how far its steps are apart.
void Kernel::lay_out(Product* product) {
  DotPlan& plan = product->plan;
  const std::vector<int64_t>& shape = product->left.block->type.shape;
  Nest probe(shared_, Nest::Mode::kFast);
  loops_over(&probe, shape);
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

// `in_place`: i64, not 0 where the factor is not packed at all. From then on the buffer is not what it was noted to be,
// and what is packed may come to lie at another step.
void Kernel::pack_unless_kept(const Product& product, PackedFactor* factor, const std::string& in_place,
                              const std::string& step, const std::string& chunk) {
  const std::string join = module_.fresh_label();
  std::string kept = factor->kept;
  if (in_place != "0") {
    const std::string pass = module_.fresh_label();
    const std::string packs = module_.fresh_label();
    const std::string is_read = shared_.ops.compare("icmp", "ne", kI64, in_place, "0", 1, *out_);
    out_->line("br i1 " + is_read + ", label %" + pass + ", label %" + packs);
    out_->open(pass);
    if (!kept.empty()) {
      const std::string known = arena_pointer(factor->known);
      out_->line("store i64 0, ptr " + known);
    }
    out_->line("br label %" + join);
    out_->open(packs);
    if (!kept.empty()) {
      const std::string still = arena_pointer(factor->known);
      const std::string whole = shared_.ops.compare("icmp", "ne", kI64, load_i64(still), "0", 1, *out_);
      kept = shared_.ops.binary("and", kI1, kept, whole, 1, *out_);
    }
  }
  const std::string to = place_in_buffer(*factor, chunk, step);
  if (!kept.empty()) {
    const std::string write = module_.fresh_label();
    out_->line("br i1 " + kept + ", label %" + join + ", label %" + write);
    out_->open(write);
  }
  pack(product, factor, to);
  out_->line("br label %" + join);
  out_->open(join);
}

}  // namespace fl::compiler
