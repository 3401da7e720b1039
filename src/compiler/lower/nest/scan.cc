// Scans. Along the last dimension a strip is scanned in log2(lanes) shuffles, whatever the combination is, then
// combined with what came before; along another one, strips of the last dimension step through the scanned one.

#include "base/text.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Value;

const Type kI1 = Type::of(Scalar::kI1);
const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

// Inclusive prefixes of each column's lanes.
std::vector<std::string> Nest::scan_lanes(const ttir::Operation& op, std::vector<std::string> values, Stream& out) {
  for (int distance = 1; distance < lanes_; distance *= 2) {
    std::string order = formatted("<%d x i32> <", lanes_);
    std::string live = "<";
    for (int lane = 0; lane < lanes_; ++lane) {
      order += (lane > 0 ? ", i32 " : "i32 ") + std::to_string(lane < distance ? lane : lane - distance);
      live += std::string(lane > 0 ? ", i1 " : "i1 ") + (lane < distance ? "false" : "true");
    }
    std::vector<std::string> earlier;
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string type = llvm_type(op.operands[i]->type.element(), lanes_);
      earlier.push_back(module_.fresh());
      out.line(earlier.back() + " = shufflevector " + type + " " + values[i] + ", " + type + " poison, " + order + ">");
    }
    const std::vector<std::string> combined = combine(op, earlier, values, lanes_, out);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = ops_.select(op.operands[i]->type.element(), live + ">", combined[i], values[i], lanes_, out);
    }
  }
  return values;
}

void Nest::scan_row(const ttir::Operation& op, const std::vector<int64_t>& slots, Stream& out) {
  const size_t columns = op.operands.size();
  auto strip = [&](Stream& inner) {
    std::vector<std::string> values;
    for (const Value* operand : op.operands)
      values.push_back(widen(value(operand, coordinates_, 0), operand->type.element()).text);
    return scan_lanes(op, values, inner);
  };
  auto last_lane = [&](const std::vector<std::string>& values, Stream& inner) {
    std::vector<std::string> last;
    for (size_t i = 0; i < columns; ++i) {
      const Type element = op.operands[i]->type.element();
      if (lanes_ == 1) {
        last.push_back(values[i]);
        continue;
      }
      std::string order = formatted("<%d x i32> <", lanes_);
      for (int lane = 0; lane < lanes_; ++lane) order += (lane > 0 ? ", i32 " : "i32 ") + std::to_string(lanes_ - 1);
      last.push_back(module_.fresh());
      inner.line(last.back() + " = shufflevector " + llvm_type(element, lanes_) + " " + values[i] + ", " +
                 llvm_type(element, lanes_) + " poison, " + order + ">");
    }
    return last;
  };
  const std::string entry = module_.fresh_label();
  out.line("br label %" + entry);
  Stream first;
  first.open(entry);
  loops_[vector_loop_].position = "0";
  streams_[vector_loop_ + 1] = &first;
  forget_lanes();
  const std::vector<std::string> start = strip(first);
  for (size_t i = 0; i < columns; ++i) put(op.results[i], slots[i], coordinates_, 0, start[i], lanes_, first);
  const std::vector<std::string> totals = last_lane(start, first);
  out.text += first.text;
  out.label = first.label;

  std::vector<Carried> carried;
  for (size_t i = 0; i < columns; ++i)
    carried.push_back({llvm_type(op.operands[i]->type.element(), lanes_), totals[i]});
  const auto go_on = [&](int) {
    Stream& inner = stream(static_cast<int>(loops_.size()));
    std::vector<std::string> before;
    for (size_t i = 0; i < columns; ++i) before.push_back(carried[i].current);
    const std::vector<std::string> values = combine(op, before, strip(inner), lanes_, inner);
    for (size_t i = 0; i < columns; ++i) put(op.results[i], slots[i], coordinates_, 0, values[i], lanes_, inner);
    const std::vector<std::string> after = last_lane(values, inner);
    for (size_t i = 0; i < columns; ++i) carried[i].current = after[i];
  };
  const int64_t extent = loops_[vector_loop_].extent;
  const std::vector<std::string> idle = idle_from(op, {}, out);
  if (idle.empty()) return vector_loop(out, {}, lanes_, 1, &carried, go_on);

  // In whole strips, and at least the first one; beyond, each position has the last one's result.
  const std::string whole = std::to_string(lanes_);
  const std::string stop = clamped(idle, extent, out);
  std::string end = ops_.binary("add", kI64, stop, std::to_string(lanes_ - 1), 1, out);
  end = ops_.binary("and", kI64, end, std::to_string(-lanes_), 1, out);
  end = ops_.intrinsic("smax", kI64, {end, whole}, 1, out);
  strips(out, whole, end, 1, true, nullptr, &carried, go_on);
  strips(out, end, std::to_string(extent), 1, true, nullptr, &carried, [&](int) {
    Stream& inner = stream(static_cast<int>(loops_.size()));
    for (size_t i = 0; i < columns; ++i)
      put(op.results[i], slots[i], coordinates_, 0, carried[i].current, lanes_, inner);
  });
}

void Nest::scan_columns(const ttir::Operation& op, const std::vector<int64_t>& slots, Stream& out) {
  const size_t columns = op.operands.size();
  const size_t axis_loop = loops_.size() - 1;
  std::vector<Carried> none;
  vector_loop(out, {}, 0, 1, &none, [&](int) {
    Stream& head = stream(static_cast<int>(axis_loop));
    auto values_here = [&] {
      std::vector<std::string> values;
      for (const Value* operand : op.operands)
        values.push_back(widen(value(operand, coordinates_, 0), operand->type.element()).text);
      return values;
    };
    loops_[axis_loop].position = "0";
    streams_[axis_loop + 1] = &head;
    const std::vector<std::string> start = values_here();
    std::vector<Carried> carried;
    for (size_t i = 0; i < columns; ++i) {
      put(op.results[i], slots[i], coordinates_, 0, start[i], lanes_, head);
      carried.push_back({llvm_type(op.operands[i]->type.element(), lanes_), start[i]});
    }
    forget_inside(axis_loop);
    if (loops_[axis_loop].extent == 1) return;
    nested(head, [&](Stream& inner) {
      scalar_loop(axis_loop, inner, &carried, 1, [&](Stream& body) {
        std::vector<std::string> before;
        for (size_t i = 0; i < columns; ++i) before.push_back(carried[i].current);
        const std::vector<std::string> values = combine(op, before, values_here(), lanes_, body);
        for (size_t i = 0; i < columns; ++i) {
          put(op.results[i], slots[i], coordinates_, 0, values[i], lanes_, body);
          carried[i].current = values[i];
        }
      });
    });
  });
}

void Nest::scan(const ttir::Operation& op, const std::vector<int64_t>& slots, size_t fastest) {
  const std::vector<int64_t>& shape = op.operands[0]->type.shape;
  const auto axis = static_cast<size_t>(op.integer("axis"));
  const AxisLoops along = loops_along(shape, axis, fastest);
  const bool backwards = op.integer("reverse") != 0;
  make_loops(shape, along.order, along.vector_dimension, along.rows && backwards);
  if (backwards) {  // position i of the loop is the i-th from the end
    for (int64_t& coefficient : coordinates_[axis].coefficients) coefficient = -coefficient;
    coordinates_[axis].constant = shape[axis] - 1;
  }
  analysing_ = false;
  auto strips = [&](Stream& at) { along.rows ? scan_row(op, slots, at) : scan_columns(op, slots, at); };
  entry_ = module_.fresh_label();
  body_.open(entry_);
  outer_loops(body_, strips);
}

}  // namespace fl::compiler
