// tt.dot: which way it goes, and where its sum lies. Blocks of two dimensions go to kernel/product.cc; what is too
// small for tiles, or has a third dimension, is done here from the arena, with both factors widened to the type of the
// sum.

#include <algorithm>

#include "base/error.h"
#include "compiler/lower/kernel/kernel.h"
#include "compiler/lower/text/counted_loop.h"

namespace fl::compiler {
namespace {

constexpr int64_t kTileRows = 4;    // rows x strips of accumulators, strips of B and one broadcast of A stay
constexpr int64_t kTileStrips = 4;  // within 32 vector registers

const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

// The block that a loop carries, when the result of the dot is what it carries on and its old content is wanted by the
// sum alone, element on element: argument -> sum -> dot -> yield of the same place.
std::optional<int64_t> Kernel::carried_sum(const Operation& op) const {
  const Operation* loop = op.parent->parent->parent;
  if (loop == nullptr || loop->op != Op::kFor || schedule_.uses.at(op.result()) != 1) return std::nullopt;
  const std::vector<ttir::Value*>& next = op.parent->terminator()->operands;
  const auto place = std::find(next.begin(), next.end(), op.result());
  if (place == next.end()) return std::nullopt;
  const Value* argument = op.parent->arguments[static_cast<size_t>(place - next.begin()) + 1];
  auto slot = shared_.slots.find(argument);
  auto uses = schedule_.uses.find(argument);
  if (slot == shared_.slots.end() || uses == schedule_.uses.end() || uses->second != 1) return std::nullopt;
  std::map<int64_t, bool> read;
  reads(op.operands[2], true, &read);
  auto own = read.find(slot->second);
  if (own == read.end() || !own->second) return std::nullopt;
  return slot->second;
}

// Where the product is to be added: the block itself where nobody else wants it, else a copy.
int64_t Kernel::place_of_sum(const Operation& op, bool* from_zero) {
  const Value* sum = op.operands[2];
  if (const std::optional<int64_t> own = carried_sum(op)) {
    if (!shared_.slots.contains(sum)) emit({{nullptr, sum, *own}});
    return *own;
  }
  auto slot = shared_.slots.find(sum);
  const bool last_use = schedule_.uses.at(sum) == 1 && sum->producer != nullptr && sum->producer->parent == op.parent;
  if (slot != shared_.slots.end() && last_use) {
    for (Allocation& allocation : live_slots_) {
      auto last = schedule_.last_use.find(op.result());
      if (allocation.offset == slot->second && last != schedule_.last_use.end())
        allocation.until = std::max(allocation.until, last->second);
    }
    return slot->second;
  }
  const int64_t target = slot_of_result(op.result());
  *from_zero = is_zero(sum);
  if (!*from_zero) emit({{nullptr, sum, target}});
  return target;
}

void Kernel::dot(const Operation& op) {
  const Scalar scalar = op.result()->type.scalar;
  if (scalar != Scalar::kF32 && scalar != Scalar::kF64 && scalar != Scalar::kI32) {
    fail(FL_UNSUPPORTED, "'tt.dot' with a sum of %s is not lowered", ttir::name_of(scalar));
  }
  if (auto waiting = products_.find(&op); waiting != products_.end()) {
    put_off(waiting->second.get());
    shared_.slots[op.result()] = waiting->second->sums;
    return;
  }
  const std::unique_ptr<Product> product = begin_product(op, nullptr);
  if (product == nullptr) return plain_dot(op);
  product->sums = place_of_sum(op, &product->from_zero);
  shared_.slots[op.result()] = product->sums;
  multiply_now(product.get());
}

void Kernel::plain_dot(const Operation& op) {
  const Type sum = op.result()->type;
  const Type wide = Type::of(sum.scalar);
  int64_t factors[2];
  for (size_t i = 0; i < 2; ++i) {
    const Value* factor = op.operands[i];
    auto slot = shared_.slots.find(factor);
    if (slot != shared_.slots.end() && factor->type.scalar == wide.scalar) {
      factors[i] = slot->second;
      continue;
    }
    factors[i] = allocate(factor->type.with_element(wide), position_);
    Sink sink{nullptr, factor, factors[i]};
    sink.as = wide.scalar;
    emit({sink});
  }
  bool from_zero = false;
  const int64_t target = place_of_sum(op, &from_zero);
  if (from_zero) emit({{nullptr, op.operands[2], target}});
  shared_.slots[op.result()] = target;

  const size_t rank = sum.shape.size();
  const int64_t rows = sum.shape[rank - 2];
  const int64_t columns = sum.shape[rank - 1];
  const int64_t depth = op.operands[0]->type.shape[rank - 1];
  const int64_t size = ttir::bytes_of(sum.scalar);
  const int lanes = static_cast<int>(std::min<int64_t>(target_.lanes, columns));
  const int64_t tile_rows = std::min(kTileRows, rows);
  const int64_t strips = std::min(kTileStrips, columns / lanes);
  const std::string vector = llvm_type(wide, lanes);
  const std::string element = llvm_type(wide, 1);
  std::vector<Carried> none;

  // arena + offset + size * (index terms)
  auto place = [&](int64_t offset, const std::vector<std::pair<std::string, int64_t>>& terms, Stream& out) {
    std::string index = "0";
    for (const auto& [name, stride] : terms) {
      const std::string part = shared_.ops.binary("mul", kI64, name, std::to_string(stride), 1, out);
      index = shared_.ops.binary("add", kI64, part, index, 1, out);
    }
    const std::string base = module_.fresh();
    out.line(base + " = getelementptr i8, ptr %scratch, i64 " + std::to_string(offset));
    const std::string pointer = module_.fresh();
    out.line(pointer + " = getelementptr " + element + ", ptr " + base + ", i64 " + index);
    return pointer;
  };
  auto beyond = [&](const std::string& pointer, int64_t elements, Stream& out) {
    if (elements == 0) return pointer;
    const std::string moved = module_.fresh();
    out.line(moved + " = getelementptr " + element + ", ptr " + pointer + ", i64 " + std::to_string(elements));
    return moved;
  };
  const std::string aligned = ", align " + std::to_string(size);

  auto tile = [&](Stream& out, const std::string& batch, const std::string& row, const std::string& column) {
    const std::string c = place(target, {{batch, rows * columns}, {row, columns}, {column, 1}}, out);
    std::vector<Carried> sums;
    for (int64_t r = 0; r < tile_rows; ++r) {
      for (int64_t s = 0; s < strips; ++s) {
        const std::string value = module_.fresh();
        out.line(value + " = load " + vector + ", ptr " + beyond(c, r * columns + s * lanes, out) + aligned);
        sums.push_back({vector, value});
      }
    }
    counted_loop(module_, shared_.ops, out, "0", std::to_string(depth), 1, false, &sums,
                 [&](Stream& body, const std::string& k) {
                   const std::string a = place(factors[0], {{batch, rows * depth}, {row, depth}, {k, 1}}, body);
                   const std::string b = place(factors[1], {{batch, depth * columns}, {k, columns}, {column, 1}}, body);
                   std::vector<std::string> right;
                   for (int64_t s = 0; s < strips; ++s) {
                     right.push_back(module_.fresh());
                     body.line(right.back() + " = load " + vector + ", ptr " + beyond(b, s * lanes, body) + aligned);
                   }
                   for (int64_t r = 0; r < tile_rows; ++r) {
                     std::string left = module_.fresh();
                     body.line(left + " = load " + element + ", ptr " + beyond(a, r * depth, body) + aligned);
                     if (lanes > 1) {
                       const std::string first = module_.fresh();
                       body.line(first + " = insertelement " + vector + " poison, " + element + " " + left + ", i32 0");
                       left = module_.fresh();
                       body.line(left + " = shufflevector " + vector + " " + first + ", " + vector + " poison, <" +
                                 std::to_string(lanes) + " x i32> zeroinitializer");
                     }
                     for (int64_t s = 0; s < strips; ++s) {
                       std::string& current = sums[static_cast<size_t>(r * strips + s)].current;
                       current =
                           wide.holds_float()
                               ? shared_.ops.intrinsic("fma", wide, {left, right[static_cast<size_t>(s)], current},
                                                       lanes, body)
                               : shared_.ops.binary(
                                     "add", wide, current,
                                     shared_.ops.binary("mul", wide, left, right[static_cast<size_t>(s)], lanes, body),
                                     lanes, body);
                     }
                   }
                 });
    for (int64_t r = 0; r < tile_rows; ++r) {
      for (int64_t s = 0; s < strips; ++s) {
        out.line("store " + vector + " " + sums[static_cast<size_t>(r * strips + s)].current + ", ptr " +
                 beyond(c, r * columns + s * lanes, out) + aligned);
      }
    }
  };
  auto matrix = [&](Stream& out, const std::string& batch) {
    counted_loop(module_, shared_.ops, out, "0", std::to_string(columns), strips * lanes, false, &none,
                 [&](Stream& outer, const std::string& column) {
                   counted_loop(module_, shared_.ops, outer, "0", std::to_string(rows), tile_rows, false, &none,
                                [&](Stream& inner, const std::string& row) { tile(inner, batch, row, column); });
                 });
  };
  if (rank == 2) return matrix(*out_, "0");
  counted_loop(module_, shared_.ops, *out_, "0", std::to_string(sum.shape[0]), 1, false, &none,
               [&](Stream& body, const std::string& batch) { matrix(body, batch); });
}

}  // namespace fl::compiler
