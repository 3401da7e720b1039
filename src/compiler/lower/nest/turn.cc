// Blocks whose neighbours in memory are not the nest's: a transposed operand, or a transposed result.
//
// Strips along the wrong dimension gather element by element. Such a block is brought into scratch first, by a nest of
// its own whose strips run along memory: as many of them as a strip has lanes, one below the other, are a square that
// is transposed in registers and written the other way round. The nest that asked for the block then reads whole
// strips.

#include <algorithm>

#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI32 = Type::of(Scalar::kI32);
constexpr int kAlong = 1;  // has loads along the strips, or ones that no dimension serves
constexpr int kAcross = 2;

}  // namespace

std::optional<size_t> Nest::unit_dimension(const Form& address, int64_t size) const {
  if (!address.computed.empty()) return std::nullopt;
  for (size_t d = 0; d < coordinates_.size(); ++d) {
    const std::vector<int64_t>& own = coordinates_[d].coefficients;
    bool unit = std::any_of(own.begin(), own.end(), [](int64_t c) { return c != 0; });
    for (size_t l = 0; l < loops_.size() && unit; ++l) unit = own[l] == 0 || address.coefficients[l].is(size * own[l]);
    if (unit) return d;
  }
  return std::nullopt;
}

std::optional<size_t> Nest::stored_along(const std::vector<Sink>& sinks) {
  for (const Sink& sink : sinks) {
    if (sink.store == nullptr) return std::nullopt;
    const std::optional<Form> form = affine(sink.store->operands[0], coordinates_);
    if (!form) continue;
    const int64_t size = ttir::bytes_of(memory_type(sink.store->operands[1]->type.element()).scalar);
    return unit_dimension(*form, size);
  }
  return std::nullopt;
}

// Which loads the block rests on, and the loop that those across the strips run along.
int Nest::directions(const Value* block, const Coordinates& at, std::map<std::string, int>* known,
                     std::optional<size_t>* across) {
  if (!block->type.tensor) return 0;
  if (auto slot = shared_.slots.find(block); slot != shared_.slots.end()) return kAlong;
  if (auto induction = shared_.schedule.inductions.find(block); induction != shared_.schedule.inductions.end())
    return directions(induction->second.start, at, known, across);
  if (block->producer == nullptr) return kAlong;
  const std::string name = key(block, at, -1);
  if (auto found = known->find(name); found != known->end()) return found->second;
  const ttir::Operation& op = *block->producer;
  int all = 0;
  if (op.op == Op::kGather) {
    all = kAlong;
  } else if (op.op == Op::kLoad) {
    const std::optional<Form> form = affine(op.operands[0], at);
    const int64_t size = ttir::bytes_of(memory_type(block->type.element()).scalar);
    const bool steps = form && form->computed.empty() && !form->coefficients[vector_loop_].is(0);
    if (!form || !form->computed.empty()) {
      all = kAlong;
    } else if (steps) {
      all = kAlong;
      for (size_t l = 0; l < vector_loop_; ++l) {
        if (!form->coefficients[l].is(size) || loops_[l].extent < lanes_ || (*across && **across != l)) continue;
        if (form->coefficients[vector_loop_].is(size) || form->coefficients[vector_loop_].is(-size) || size > 4)
          continue;
        *across = l;
        all = kAcross;
      }
    }
    if (op.operands.size() > 2) all |= directions(op.operands[2], operand_coordinates(op, 2, at), known, across);
  } else {
    for (size_t i = 0; i < op.operands.size(); ++i)
      all |= directions(op.operands[i], operand_coordinates(op, i, at), known, across);
  }
  return (*known)[name] = all;
}

std::vector<const Value*> Nest::find_turned(const std::vector<Sink>& sinks, size_t* dimension) {
  std::vector<const Value*> turned;
  if (lanes_ < 8 || lanes_ != shared_.target.lanes || loops_.size() < 2 || run_) return turned;
  std::map<std::string, int> known;
  std::optional<size_t> across;
  std::set<std::string> seen;
  std::function<void(const Value*)> visit = [&](const Value* block) {
    if (!block->type.tensor || shared_.slots.contains(block) || !seen.insert(key(block, coordinates_, -1)).second)
      return;
    const int all = directions(block, coordinates_, &known, &across);
    if (all == kAcross && !block->type.pointer && ttir::bytes_of(memory_type(block->type.element()).scalar) <= 4) {
      turned.push_back(block);
      return;
    }
    if ((all & kAcross) == 0 || block->producer == nullptr || block->producer->op == Op::kLoad) return;
    const ttir::Operation& op = *block->producer;
    for (size_t i = 0; i < op.operands.size(); ++i)
      if (operand_coordinates(op, i, coordinates_) == coordinates_) visit(op.operands[i]);
  };
  for (const Sink& sink : sinks) {
    if (sink.atomic != nullptr) return {};
    if (sink.value == nullptr || sink.place == nullptr)
      visit(sink.store != nullptr ? sink.store->operands[1] : sink.value);
  }
  if (!across) return {};
  for (size_t d = 0; d < coordinates_.size(); ++d)
    if (coordinates_[d].coefficients[*across] == 1) *dimension = d;
  return turned;
}

// A square of lanes_ strips, transposed: strip i of the result holds lane i of each.
std::vector<std::string> Nest::transposed(std::vector<std::string> rows, const Type& element, Stream& out) {
  const std::string type = llvm_type(element, lanes_);
  auto shuffled = [&](const std::string& a, const std::string& b, const std::function<int(int)>& from) {
    std::string order = formatted("<%d x i32> <", lanes_);
    for (int lane = 0; lane < lanes_; ++lane) order += (lane > 0 ? ", i32 " : "i32 ") + std::to_string(from(lane));
    const std::string name = module_.fresh();
    out.line(name + " = shufflevector " + type + " " + a + ", " + type + " " + b + ", " + order + ">");
    return name;
  };
  const auto count = static_cast<size_t>(lanes_);
  auto stage = [&](size_t distance, const std::function<int(int, int)>& from) {
    std::vector<std::string> next(count);
    for (size_t i = 0; i < count; ++i) {
      if ((i & distance) != 0) continue;
      for (int half : {0, 1}) {
        next[i + (half == 1 ? distance : 0)] =
            shuffled(rows[i], rows[i + distance], [&](int lane) { return from(lane, half); });
      }
    }
    rows = std::move(next);
  };
  // Four rows become four columns inside each group of four lanes: first by single lanes, then by pairs.
  stage(1, [this](int lane, int half) { return lane / 4 * 4 + lane % 4 / 2 + 2 * half + lane % 2 * lanes_; });
  stage(2, [this](int lane, int half) { return lane / 4 * 4 + lane % 2 + 2 * half + lane % 4 / 2 * lanes_; });
  // Then groups of four: those at even places from both, and those at odd ones.
  const int groups = lanes_ / 4;
  for (size_t distance = 4; distance < count; distance *= 2) {
    stage(distance, [this, groups](int lane, int half) {
      const int group = lane / 4;
      const int source = group % (groups / 2) * 2 + half;
      return source * 4 + lane % 4 + (group >= groups / 2 ? lanes_ : 0);
    });
  }
  // Where the stages have left each column: the low two bits are in the order 0, 2, 1, 3.
  std::vector<std::string> columns(count);
  for (size_t place = 0; place < count; ++place) {
    size_t column = ((place & 1) << 1) | ((place >> 1) & 1);
    column += place / 4 * 4;
    columns[column] = rows[place];
  }
  return columns;
}

void Nest::map_turned(const Value* block, int64_t slot) {
  std::vector<MaskAt> masks;
  std::set<std::string> seen;
  turned_ = true;
  analysing_ = true;
  collect_masks(block, coordinates_, &masks, &seen);
  analysing_ = false;
  const size_t rows = copy_loop();
  const Type element = block->type.element();
  const Type memory = memory_type(element);
  const Form place = slot_form(block, slot, ttir::bytes_of(memory.scalar), coordinates_);
  const bool narrow = ttir::bytes_of(memory.scalar) < 4;
  const Type moved = narrow ? kI32 : memory;
  const std::vector<MaskAt> sink_masks{{nullptr, {}}};
  std::vector<Carried> none;
  auto body = [&](int) {
    Stream& out = stream(static_cast<int>(loops_.size()));
    std::vector<std::string> strips_of_block;
    for (copy_ = 0; copy_ < lanes_; ++copy_) {
      const Piece piece = widen(value(block, coordinates_, copy_), element);
      std::string text = as_memory(element, piece.text, lanes_, out);
      if (narrow) text = ops_.convert("zext", memory, kI32, text, lanes_, out);
      strips_of_block.push_back(text);
    }
    copy_ = 0;
    const std::vector<std::string> columns = transposed(strips_of_block, moved, out);
    const Piece corner = address(place, 0);
    for (int lane = 0; lane < lanes_; ++lane) {
      std::string text = columns[static_cast<size_t>(lane)];
      if (narrow) text = ops_.convert("trunc", kI32, memory, text, lanes_, out);
      const std::string pointer = module_.fresh();
      out.line(pointer + " = getelementptr i8, ptr " + corner.text + ", i64 " +
               std::to_string(place.coefficients[vector_loop_].value * lane));
      out.line("store " + llvm_type(memory, lanes_) + " " + text + ", ptr " + pointer + ", align " +
               std::to_string(ttir::bytes_of(memory.scalar)));
    }
  };
  std::function<void(size_t, Stream&)> build = [&](size_t level, Stream& at) {
    auto inside = [&](Stream& head) { nested(head, [&](Stream& inner) { build(level + 1, inner); }); };
    if (level < rows) return scalar_loop(level, at, &none, 0, inside);
    if (level > rows) return vector_loop(at, live_part(masks, sink_masks), 0, 1, &none, body);
    counted(at, "0", std::to_string(loops_[rows].extent), lanes_, false, &none,
            [&](Stream& head, const std::string& position) {
              loops_[rows].position = position;
              streams_[rows + 1] = &head;
              inside(head);
            });
  };
  entry_ = module_.fresh_label();
  body_.open(entry_);
  build(0, body_);
}

}  // namespace fl::compiler
