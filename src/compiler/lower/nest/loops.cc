// The loops themselves: counted loops with carried values, the vector loop in its two parts, and the nest that maps
// blocks to stores.

#include <algorithm>
#include <bit>
#include <climits>
#include <utility>

#include "base/text.h"
#include "compiler/lower/instructions/interleave.h"
#include "compiler/lower/nest/nest.h"

namespace fl::compiler {
namespace {

using ttir::Op;
using ttir::Value;

const Type kI64 = Type::of(Scalar::kI64);
constexpr size_t kMany = 3;        // loops round the vector loop: see Note [Flat loops]
constexpr int kLeastStreamed = 4;  // bytes of an element
constexpr int kElementary = 12;
constexpr int kUntilPairs = 24;  // as strip_cost
constexpr int kUntilAlone = 60;

}  // namespace

AxisLoops loops_along(const std::vector<int64_t>& shape, size_t axis, size_t fastest) {
  const bool rows = fastest == axis || shape[fastest] == 1 || shape[axis] == 1;
  AxisLoops loops{{}, rows ? axis : fastest, rows};
  for (size_t d = 0; d < shape.size(); ++d)
    if (d != axis && (rows || d != fastest)) loops.order.push_back(d);
  if (!rows) loops.order.push_back(fastest);
  loops.order.push_back(axis);
  return loops;
}

void Nest::forget_inside(size_t loop) {
  const int outside = static_cast<int>(loop);
  std::erase_if(pieces_, [outside](const auto& entry) { return entry.second.level > outside; });
  mapped_.clear();
}

void Nest::counted(Stream& out, const std::string& from, const std::string& to, int64_t step, bool may_be_empty,
                   std::vector<Carried>* carried, const Step& body) {
  counted_loop(module_, ops_, out, from, to, step, may_be_empty, carried, body);
}

// Inner loops follow all code of this level, also what they move here while they are written.
void Nest::nested(Stream& head, const std::function<void(Stream&)>& inside) {
  const std::string entry = module_.fresh_label();
  Stream inner;
  inner.open(entry);
  inside(inner);
  head.line("br label %" + entry);
  head.text += inner.text;
  head.label = inner.label;
}

void Nest::scalar_loop(size_t level, Stream& out, std::vector<Carried>* carried, int64_t from,
                       const std::function<void(Stream&)>& inside) {
  const bool limited = !loops_[level].limit.empty();
  const std::string to = limited ? loops_[level].limit : std::to_string(loops_[level].extent);
  counted(out, std::to_string(from), to, 1, limited, carried, [&](Stream& head, const std::string& position) {
    loops_[level].position = position;
    streams_[level + 1] = &head;
    inside(head);
  });
}

// Note [Flat loops]
// A sort has blocks of 2 x 2 x ... x 2, and a loop for each of ten dimensions is nothing that the code generator does
// in linear time: its strength reduction knows each address as a recurrence of ten loops, and 16 x 64 elements took it
// 6 s. So where they are many, all loops round the vector loop are one, and the positions along the dimensions are bits
// of its counter.
void Nest::outer_loops(Stream& out, const std::function<void(Stream&)>& inside) {
  std::vector<Carried> none;
  const bool plain =
      std::none_of(loops_.begin(), loops_.end(), [](const Loop& loop) { return !loop.limit.empty() || loop.runs; });
  if (vector_loop_ >= kMany && plain) {
    int64_t extent = 1;
    for (size_t l = 0; l < vector_loop_; ++l) extent *= loops_[l].extent;
    return counted(out, "0", std::to_string(extent), 1, false, &none, [&](Stream& head, const std::string& counter) {
      int64_t below = extent;
      for (size_t l = 0; l < vector_loop_; ++l) {
        below /= loops_[l].extent;
        const std::string rest =
            ops_.binary("lshr", kI64, counter, std::to_string(std::countr_zero(static_cast<uint64_t>(below))), 1, head);
        loops_[l].position = ops_.binary("and", kI64, rest, std::to_string(loops_[l].extent - 1), 1, head);
        streams_[l + 1] = &head;
      }
      nested(head, inside);
    });
  }
  std::function<void(size_t, Stream&)> build = [&](size_t level, Stream& at) {
    if (level == vector_loop_ || loops_[level].runs) return inside(at);
    scalar_loop(level, at, &none, 0,
                [&](Stream& head) { nested(head, [&](Stream& inner) { build(level + 1, inner); }); });
  };
  build(0, out);
}

std::string Nest::clamped(const std::vector<std::string>& counts, int64_t extent, Stream& out) {
  std::string least = std::to_string(extent);
  for (const std::string& count : counts) least = ops_.intrinsic("smin", kI64, {least, count}, 1, out);
  return ops_.intrinsic("smax", kI64, {least, "0"}, 1, out);
}

void Nest::strips(Stream& out, const std::string& from, const std::string& to, int copies, bool may_be_empty,
                  const Live* holds, std::vector<Carried>* carried, const std::function<void(int)>& body) {
  counted(out, from, to, static_cast<int64_t>(copies) * lanes_, may_be_empty, carried,
          [&](Stream& head, const std::string& position) {
            loops_[vector_loop_].position = position;
            streams_[vector_loop_ + 1] = &head;
            forget_lanes();
            live_ = holds;
            body(copies);
            live_ = nullptr;
          });
}

void Nest::vector_loop(Stream& out, const Live& live, int64_t from, int copies, std::vector<Carried>* carried,
                       const std::function<void(int)>& body) {
  const int64_t extent = loops_[vector_loop_].extent;
  while (copies > 1 && (from + static_cast<int64_t>(copies) * lanes_ > extent ||
                        (extent - from) % (static_cast<int64_t>(copies) * lanes_) != 0))
    copies /= 2;
  const int64_t stride = static_cast<int64_t>(copies) * lanes_;
  auto part = [&](const std::string& start, const std::string& end, int count, bool may_be_empty, const Live* holds) {
    strips(out, start, end, count, may_be_empty, holds, carried, body);
  };
  if (from >= extent) return;
  if (live.full.empty()) {
    if (from + stride == extent) {  // one iteration: no loop
      const std::string entry = module_.fresh_label();
      out.line("br label %" + entry);
      Stream head;
      head.open(entry);
      loops_[vector_loop_].position = std::to_string(from);
      streams_[vector_loop_ + 1] = &head;
      forget_lanes();
      body(copies);
      out.text += head.text;
      out.label = head.label;
      return;
    }
    return part(std::to_string(from), std::to_string(extent), copies, false, nullptr);
  }
  const std::string full = clamped(live.full, extent, out);
  std::string main_end = full;
  if (from > 0) {  // the strips before `from` are done
    main_end =
        ops_.intrinsic("smax", kI64, {ops_.binary("sub", kI64, full, std::to_string(from), 1, out), "0"}, 1, out);
  }
  main_end = ops_.binary("and", kI64, main_end, std::to_string(-stride), 1, out);
  if (from > 0) main_end = ops_.binary("add", kI64, main_end, std::to_string(from), 1, out);
  const std::string end = live.stop.empty() ? std::to_string(extent) : clamped(live.stop, extent, out);
  measure(main_end, out);
  part(std::to_string(from), main_end, copies, true, &live);
  part(main_end, end, 1, true, nullptr);
}

// Writes the strips of one iteration into the innermost loop: interleaved where their chains are long.
void Nest::side_by_side(int copies, const std::function<void(int)>& write) {
  Stream& inner = stream(static_cast<int>(loops_.size()));
  const std::string before = std::exchange(inner.text, "");
  std::vector<std::string> parts;
  for (int copy = 0; copy < copies; ++copy) {
    write(copy);
    parts.push_back(std::exchange(inner.text, ""));
  }
  inner.text = before;
  if (elementary_ && copies > 1) {
    inner.text += interleaved(parts);
  } else {
    for (const std::string& part : parts) inner.text += part;
  }
}

// Calls `visit` for each operation that a strip of the blocks takes, up to what is stored.
void Nest::each_operation(const std::vector<const Value*>& roots,
                          const std::function<void(const ttir::Operation&)>& visit) const {
  std::set<const Value*> seen;
  std::vector<const Value*> open = roots;
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (!value->type.tensor || shared_.slots.contains(value) || value->producer == nullptr ||
        !seen.insert(value).second)
      continue;
    visit(*value->producer);
    open.insert(open.end(), value->producer->operands.begin(), value->producer->operands.end());
  }
}

// What a strip of the blocks costs, as strip_cost.
int Nest::strip_work(const std::vector<const Value*>& roots) {
  int work = 0;
  each_operation(roots, [&](const ttir::Operation& op) {
    work += strip_cost(op);
    elementary_ = elementary_ || strip_cost(op) >= kElementary;
  });
  return work;
}

void Nest::narrow(int size) {
  if (const int bytes = shared_.target.stream_bytes; bytes != 0) lanes_ = std::min(lanes_, bytes / size);
}

// Note [Streams]
// A CPU whose vectors are wider than its ways to memory splits what they move, and code that does little else is faster
// when it moves the pieces itself: of 1 M floats an addition takes 0.92 of the time, addcmul 0.93, in the inner caches
// as much as before (Zen 4). A mere copy gains nothing, and computing wants whole vectors: an exponential takes 1.4
// times as long in halves. So strips become narrow where something is computed that costs no more than the loads.
// Elements of 16 bits are pieces already, as they are widened.
void Nest::narrow_streams(const std::vector<Sink>& sinks) {
  if (shared_.target.stream_bytes == 0 || mode_ == Mode::kExact) return;
  int narrowest = INT_MAX;  // bytes of an element that is stored
  std::vector<const Value*> roots;
  for (const Sink& sink : sinks) {
    if (sink.store == nullptr) return;
    narrowest = std::min(narrowest, ttir::bytes_of(memory_type(sink.store->operands[1]->type.element()).scalar));
    roots.insert(roots.end(), sink.store->operands.begin(), sink.store->operands.end());
  }
  int widest = narrowest;
  int loading = 0;
  int computing = 0;
  each_operation(roots, [&](const ttir::Operation& op) {
    (op.op == Op::kLoad ? loading : computing) += strip_cost(op);
    if (op.op == Op::kLoad) widest = std::max(widest, ttir::bytes_of(memory_type(op.result()->type.element()).scalar));
  });
  if (narrowest < widest || widest < kLeastStreamed || computing == 0 || computing > loading) return;
  narrow(widest);
}

// Strips at a time: enough to hide latencies, few enough for the registers.
int Nest::choose_copies(const std::vector<const Value*>& roots, int most) {
  const int work = strip_work(roots);
  if (mode_ == Mode::kExact || work > kUntilAlone) return 1;
  if (work > kUntilPairs) return 2;
  return most > 4 && work > kLight ? 4 : most;
}

void Nest::map(const std::vector<Sink>& sinks) {
  std::vector<MaskAt> masks;
  std::vector<MaskAt> sink_masks;
  std::vector<const Value*> roots;
  std::set<std::string> seen;
  analysing_ = true;
  for (const Sink& sink : sinks) {
    if (!sink.touches_memory()) {
      sink_masks.push_back({nullptr, {}});
      roots.push_back(sink.value);
      collect_masks(sink.value, coordinates_, &masks, &seen);
      continue;
    }
    for (const Value* operand : sink.operands()) {
      roots.push_back(operand);
      collect_masks(operand, coordinates_, &masks, &seen);
    }
    const bool masked = sink.store != nullptr && sink.store->operands.size() > 2;
    sink_masks.push_back({masked ? sink.store->operands[2] : nullptr, coordinates_});
  }
  analysing_ = false;
  const int copies = choose_copies(roots);
  find_written_bytes(sinks);
  std::vector<Carried> none;
  auto strips = [&](Stream& at) {
    Live live = live_part(masks, sink_masks);
    stop_where_all_stays(sinks, &live);
    const auto body = [&](int count) {
      // All that is read is read before any of it is written: values and masks first.
      side_by_side(count, [&](int copy) {
        copy_ = copy;
        for (const Sink& sink : sinks) {
          value(sink.touches_memory() ? sink.operands()[1] : sink.value, coordinates_, copy_);
          if (sink.store != nullptr && sink.store->operands.size() > 2)
            mask(sink.store->operands[2], coordinates_, copy_);
        }
      });
      for (const Sink& sink : sinks) {
        std::vector<Strip> whole;
        for (copy_ = 0; copy_ < count; ++copy_)
          sink.atomic != nullptr ? atomic(sink, coordinates_) : store(sink, coordinates_, copy_, &whole);
        write(whole, stream(static_cast<int>(loops_.size())));
      }
      copy_ = 0;
    };
    run_ ? run_loop(at, live, copies, body) : vector_loop(at, live, 0, copies, &none, body);
  };
  entry_ = module_.fresh_label();
  body_.open(entry_);
  outer_loops(body_, strips);
}

}  // namespace fl::compiler
