#include "compiler/lower/kernel/kernel.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "compiler/analysis/program_order.h"

namespace fl::compiler {
namespace {

const Type kI1 = Type::of(Scalar::kI1);
const Type kI8 = Type::of(Scalar::kI8);
const Type kI64 = Type::of(Scalar::kI64);

}  // namespace

Kernel::Kernel(const ttir::Function& function, const Target& target, const std::map<size_t, int64_t>& constants,
               bool groups)
    : function_(function),
      target_(target),
      constants_(constants),
      schedule_(make_schedule(function)),
      layout_(function, schedule_, constants),
      users_(find_users(function)),
      shared_{module_, target_, schedule_, Elementwise(module_, target_)},
      groups_allowed_(groups) {
  for (const auto& [value, why] : schedule_.why_stored) {
    if (value->producer == nullptr) continue;
    shared_.report.general(place_of(*value->producer) + " (" + shape_text(value->type.shape) +
                           ") is kept in scratch: " + why);
  }
}

// Arguments and the grid, read once a call.
void Kernel::prologue() {
  entry_.open("entry");
  const auto& arguments = function_.arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Type& type = arguments[i]->type;
    if (auto fixed = constants_.find(i); fixed != constants_.end()) {
      shared_.scalars[arguments[i]] = llvm_constant(static_cast<uint64_t>(fixed->second), type.scalar);
      continue;
    }
    const std::string place = module_.fresh();
    const std::string pointer = module_.fresh();
    const std::string value = module_.fresh();
    entry_.line(place + " = getelementptr ptr, ptr %args, i64 " + std::to_string(i));
    entry_.line(pointer + " = load ptr, ptr " + place);
    if (type.is(Scalar::kI1)) {
      entry_.line(value + " = load i8, ptr " + pointer);
      shared_.scalars[arguments[i]] = shared_.ops.compare("icmp", "ne", kI8, value, "0", 1, entry_);
    } else {
      entry_.line(value + " = load " + llvm_type(type, 1) + ", ptr " + pointer);
      shared_.scalars[arguments[i]] = value;
      if (type.pointer && target_.distance != 0) {
        const std::string seen = module_.fresh();
        entry_.line(seen + " = add i64 " + value + ", " + std::to_string(static_cast<int64_t>(target_.distance)));
        shared_.scalars[arguments[i]] = seen;
      }
    }
  }
  for (int axis = 0; axis < 3; ++axis) {
    entry_.line(formatted("%%grid.at.%d = getelementptr i32, ptr %%grid, i64 %d", axis, axis));
    entry_.line(formatted("%%grid.%d = load i32, ptr %%grid.at.%d", axis, axis));
    entry_.line(formatted("%%grid.wide.%d = zext i32 %%grid.%d to i64", axis, axis));
  }
  const size_t fastest = fastest_axis(function_, [this](const Value* value) {
    auto known = shared_.scalars.find(value);
    return known != shared_.scalars.end() && known->second == "1";
  });
  std::rotate(axes_.begin(), axes_.begin() + static_cast<std::ptrdiff_t>(fastest),
              axes_.begin() + static_cast<std::ptrdiff_t>(fastest) + 1);
  if (fastest != 0)
    shared_.report.general(
        formatted("programs are counted along axis %zu first: their blocks are neighbours", fastest));
  auto name = [this](size_t place) { return "xyz"[axes_[place]]; };
  entry_.line(formatted("%%first.%c = urem i64 %%first, %%grid.wide.%zu", name(0), axes_[0]));
  entry_.line(formatted("%%first.row = udiv i64 %%first, %%grid.wide.%zu", axes_[0]));
  entry_.line(formatted("%%first.%c = urem i64 %%first.row, %%grid.wide.%zu", name(1), axes_[1]));
  entry_.line(formatted("%%first.%c = udiv i64 %%first.row, %%grid.wide.%zu", name(2), axes_[1]));
  for (const char* axis : {"x", "y", "z"})
    entry_.line(formatted("%%start.%s = trunc i64 %%first.%s to i32", axis, axis));
  entry_.line("%any = icmp ult i64 %first, %last");
  if (groups_allowed_) find_groups();
  if (target_.cache_bytes == 0 || std::any_of(schedule_.position.begin(), schedule_.position.end(),
                                              [](const auto& at) { return waits(*at.first); }))
    return;
  shared_.past_bytes = target_.cache_bytes / 2;
  for (const auto& [op, position] : schedule_.position)
    if (op->op == Op::kLoad) shared_.read_from.insert(pointer_of(schedule_, op->operands[0]));
  entry_.line("%grid.plane = mul i64 %grid.wide.0, %grid.wide.1");
  entry_.line("%grid.all = mul i64 %grid.plane, %grid.wide.2");
  shared_.nest_runs = shared_.ops.binary("udiv", kI64, "%grid.all", std::to_string(shared_.group), 1, entry_);
}

// Groups pay where a row of a tile is short. They are as wide as rows of which the CPU's own prefetching makes the
// most, and no wider than what exact code can keep in scratch.
void Kernel::find_groups() {
  constexpr int64_t kLongestRow = 512;  // positions of one program
  constexpr int64_t kPositions = 2048;  // of a group
  constexpr int64_t kElements = int64_t{1} << 17;
  std::optional<ProgramGroups> groups = find_program_groups(function_, axes_[0]);
  if (!groups || groups->extent > kLongestRow || groups->extent % target_.lanes != 0) return;
  int64_t most = 1;
  for (const auto& [block, dimension] : groups->dimension) most = std::max(most, block->type.elements());
  if (most == groups->extent) return;  // one row
  const int64_t size = std::min(kPositions / groups->extent, kElements / most);
  if (size < 2) return;
  shared_.groups = std::move(groups);
  shared_.group = size;
  shared_.group_positions = "%positions";
  shared_.report.general(formatted("up to %lld programs that are neighbours along axis %zu run as one",
                                   static_cast<long long>(size), axes_[0]));
}

// How many programs this turn of the program loop takes: those of one row of the grid that are left.
void Kernel::begin_group() {
  const char axis = "xyz"[axes_[0]];
  const Type kI32 = Type::of(Scalar::kI32);
  const std::string here = shared_.ops.convert("zext", kI32, kI64, formatted("%%pid.%c", axis), 1, *out_);
  std::string left = shared_.ops.binary("sub", kI64, formatted("%%grid.wide.%zu", axes_[0]), here, 1, *out_);
  const std::string asked = shared_.ops.binary("sub", kI64, "%last", "%id", 1, *out_);
  left = shared_.ops.intrinsic("umin", kI64, {left, asked}, 1, *out_);
  left = shared_.ops.intrinsic("umin", kI64, {left, std::to_string(shared_.group)}, 1, *out_);
  out_->line("%programs = add i64 " + left + ", 0");
  out_->line("%programs.id = trunc i64 %programs to i32");
  out_->line("%positions = mul i64 %programs, " + std::to_string(shared_.groups->extent));
}

// The ids of the next program by counting up, not by dividing.
std::string Kernel::program_loop() {
  std::string text = "program:\n";
  text += "  %id = phi i64 [ %first, %entry ], [ %id.next, %next ]\n";
  for (const char* axis : {"x", "y", "z"}) {
    text += formatted("  %%pid.%s = phi i32 [ %%start.%s, %%entry ], [ %%pid.%s.next, %%next ]\n", axis, axis, axis);
  }
  return text;
}

LoweredKernel Kernel::run() {
  prologue();
  Stream body;
  body.label = "program";
  out_ = &body;
  if (shared_.groups) begin_group();
  const auto& blocks = function_.body->blocks;
  for (size_t i = 1; i < blocks.size(); ++i) labels_[blocks[i]] = module_.fresh_label();
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i > 0) body.open(labels_[blocks[i]]);
    block(*blocks[i]);
  }
  std::string name = function_.name;
  std::string text =
      "define void @\"" + name + "\"(ptr %args, ptr %grid, i64 %first, i64 %last, ptr %scratch) nounwind {\n";
  entry_.line("br i1 %any, label %program, label %exit");
  if (kept_ > 0) {
    const std::string label = "entry:\n";
    const std::string kept = "  %kept = getelementptr i8, ptr %scratch, i64 " + std::to_string((arena_ + 63) / 64 * 64);
    entry_.text.insert(label.size(), kept + "\n");
  }
  text += entry_.text + program_loop() + body.text;
  text += "next:\n";
  std::string carry = shared_.groups ? "%programs.id" : "1";
  for (size_t place = 0; place < 3; ++place) {
    const char axis = "xyz"[axes_[place]];
    const std::string up = place == 2 ? formatted("%%pid.%c.next", axis) : formatted("%%%c.up", axis);
    text += formatted("  %s = add i32 %%pid.%c, %s\n", up.c_str(), axis, carry.c_str());
    if (place == 2) break;
    text += formatted("  %%%c.wraps = icmp eq i32 %s, %%grid.%zu\n", axis, up.c_str(), axes_[place]);
    text += formatted("  %%pid.%c.next = select i1 %%%c.wraps, i32 0, i32 %s\n", axis, axis, up.c_str());
    carry = formatted("%%%c.carry", axis);
    text += formatted("  %s = zext i1 %%%c.wraps to i32\n", carry.c_str(), axis);
  }
  text += std::string("  %id.next = add i64 %id, ") + (shared_.groups ? "%programs" : "1") + "\n";
  if (shared_.writes_past) module_.declare("void @llvm.x86.sse.sfence()");
  text +=
      "  %more = icmp ult i64 %id.next, %last\n"
      "  br i1 %more, label %program, label %exit\n"
      "exit:\n" +
      std::string(shared_.writes_past ? "  call void @llvm.x86.sse.sfence()\n" : "") +
      "  ret void\n"
      "}\n";
  const int64_t scratch = (arena_ + 63) / 64 * 64 + kept_;
  const int64_t beyond = scratch > 0 ? 64 : 0;  // the last strip of a run may be read past a block's end
  return {module_.text(text), scratch + beyond, ordered_, shared_.report.text()};
}

void Kernel::block(const ttir::Block& block) {
  for (const Operation* op : block.operations) operation(*op);
}

// Failures of any depth get the place in the text.
void Kernel::operation(const Operation& op) {
  position_ = schedule_.position.at(&op);
  expire(position_);
  try {
    dispatch(op);
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with("line ")) throw;
    fail(error.status(), "line %d, column %d: %s", op.where.line, op.where.column, error.what());
  }
}

void Kernel::dispatch(const Operation& op) {
  switch (op.op) {
    case Op::kReturn:
      return out_->line("br label %next");
    case Op::kBranch:
      return out_->line("br label %" + labels_.at(op.successors[0]));
    case Op::kCondBranch:
      return out_->line("br i1 " + text(op.operands[0]) + ", label %" + labels_.at(op.successors[0]) + ", label %" +
                        labels_.at(op.successors[1]));
    case Op::kYield:
    case Op::kCondition:
    case Op::kAssume:
    case Op::kBarrier:
      return;
    case Op::kFor:
      return for_loop(op);
    case Op::kIf:
      return conditional(op);
    case Op::kWhile:
      return while_loop(op);
    case Op::kReduce:
      return reduce(op);
    case Op::kStore: {
      if (!op.operands[0]->type.tensor) return scalar_store(op);
      auto group = schedule_.store_groups.find(&op);
      if (group == schedule_.store_groups.end()) return;
      std::vector<Sink> sinks;
      for (const Operation* store : group->second) sinks.push_back({store, nullptr, 0});
      auto direct = direct_stores_.find(&op);
      if (direct == direct_stores_.end()) return emit(sinks);
      const std::string write = module_.fresh_label();
      const std::string join = module_.fresh_label();
      out_->line("br i1 " + direct->second + ", label %" + join + ", label %" + write);
      out_->open(write);
      emit(sinks);
      out_->line("br label %" + join);
      return out_->open(join);
    }
    case Op::kScan:
      return scan(op);
    case Op::kDot:
      return dot(op);
    case Op::kHistogram:
      return histogram(op);
    case Op::kAtomicRmw:
    case Op::kAtomicCas:
      return atomic(op);
    case Op::kPrint:
      return print(op);
    case Op::kAssert:
      return assertion(op);
    default:
      break;
  }
  if (op.results.empty()) return;
  if (!op.results[0]->type.tensor) return op.op == Op::kLoad ? scalar_load(op) : scalar(op);
  for (const Value* result : op.results)
    if (schedule_.stored.contains(result)) store_block(result);
}

void Kernel::scalar(const Operation& op) {
  const Value* result = op.result();
  switch (op.op) {
    case Op::kConstant:
      shared_.scalars[result] = llvm_constant(op.constant, result->type.scalar);
      return;
    case Op::kProgramId:
      shared_.scalars[result] = "%pid." + op.word("axis");
      return;
    case Op::kNumPrograms: {
      const std::string axis = op.word("axis");
      shared_.scalars[result] = axis == "x" ? "%grid.0" : axis == "y" ? "%grid.1" : "%grid.2";
      return;
    }
    case Op::kBitcast:
      if (result->type.pointer) {
        shared_.scalars[result] = text(op.operands[0]);
        return;
      }
      break;
    default:
      break;
  }
  std::vector<std::string> operands;
  for (const Value* operand : op.operands) operands.push_back(text(operand));
  shared_.scalars[result] = shared_.ops.emit(op, operands, 1, *out_);
}

std::string Kernel::scalar_pointer(const Value* value) {
  const std::string pointer = module_.fresh();
  out_->line(pointer + " = inttoptr i64 " + text(value) + " to ptr");
  return pointer;
}

void Kernel::scalar_load(const Operation& op) {
  const Type& type = op.result()->type;
  const std::string pointer = scalar_pointer(op.operands[0]);
  const std::string result = module_.fresh();
  const bool is_volatile = op.integer("isVolatile") != 0;
  if (is_volatile) ordered_ = true;
  const std::string load = std::string("load ") + (is_volatile ? "volatile " : "") + llvm_type(type, 1) + ", ptr " +
                           pointer + ", align " + std::to_string(ttir::bytes_of(type.scalar));
  if (op.operands.size() < 2 || text(op.operands[1]) == "true") {
    out_->line(result + " = " + load);
    shared_.scalars[op.result()] = result;
    return;
  }
  const std::string before = out_->label;
  const std::string on = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + text(op.operands[1]) + ", label %" + on + ", label %" + join);
  out_->open(on);
  const std::string loaded = module_.fresh();
  out_->line(loaded + " = " + load);
  out_->line("br label %" + join);
  out_->open(join);
  const std::string other = op.operands.size() > 2 ? text(op.operands[2]) : llvm_constant(0, type.scalar);
  out_->line(result + " = phi " + llvm_type(type, 1) + " [ " + loaded + ", %" + on + " ], [ " + other + ", %" + before +
             " ]");
  shared_.scalars[op.result()] = result;
}

void Kernel::scalar_store(const Operation& op) {
  const Type& type = op.operands[1]->type;
  const std::string pointer = scalar_pointer(op.operands[0]);
  const std::string store = "store " + llvm_type(type, 1) + " " + text(op.operands[1]) + ", ptr " + pointer +
                            ", align " + std::to_string(ttir::bytes_of(type.scalar));
  if (op.operands.size() < 3) return out_->line(store);
  const std::string on = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + text(op.operands[2]) + ", label %" + on + ", label %" + join);
  out_->open(on);
  out_->line(store);
  out_->line("br label %" + join);
  out_->open(join);
}

LoweredKernel lower(const ttir::Module& module, const Target& target, const std::map<size_t, int64_t>& constants) {
  Kernel grouped(module.function, target, constants, true);
  LoweredKernel lowered = grouped.run();
  if (!grouped.spoiled_by_groups()) return lowered;
  return Kernel(module.function, target, constants, false).run();
}

}  // namespace fl::compiler
