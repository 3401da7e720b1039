// tl.device_print and tl.device_assert: the values go to the arena, and a function of this library is called with them
// (device_debug.h). Nobody prints or asserts for speed.

#include "base/text.h"
#include "compiler/device_debug.h"
#include "compiler/lower/kernel/kernel.h"

namespace fl::compiler {
namespace {

PrintKind kind_of(const Type& type, bool is_signed) {
  if (type.pointer) return PrintKind::kPointer;
  switch (type.scalar) {
    case Scalar::kF8E4M3:
      return PrintKind::kF8E4M3;
    case Scalar::kF8E5M2:
      return PrintKind::kF8E5M2;
    case Scalar::kF16:
      return PrintKind::kF16;
    case Scalar::kBF16:
      return PrintKind::kBF16;
    case Scalar::kF32:
      return PrintKind::kF32;
    case Scalar::kF64:
      return PrintKind::kF64;
    default:
      return is_signed && type.scalar != Scalar::kI1 ? PrintKind::kSigned : PrintKind::kUnsigned;
  }
}

constexpr char kProgram[] = "i32 %pid.x, i32 %pid.y, i32 %pid.z";

}  // namespace

// A pointer to the value's elements, one behind the other; bits are bytes.
std::string Kernel::in_memory(const Value* value) {
  const int64_t slot = allocate(value->type, position_);
  const std::string place = module_.fresh();
  const std::string at = place + " = getelementptr i8, ptr %scratch, i64 " + std::to_string(slot);
  if (value->type.tensor) {
    emit({{nullptr, value, slot}});
    out_->line(at);
    return place;
  }
  out_->line(at);
  std::string element = text(value);
  Type type = value->type;
  if (type.is(Scalar::kI1)) {
    type = Type::of(Scalar::kI8);
    element = shared_.ops.convert("zext", value->type, type, element, 1, *out_);
  }
  out_->line("store " + llvm_type(type, 1) + " " + element + ", ptr " + place);
  return place;
}

std::string Kernel::text_constant(const std::string& text) {
  std::string bytes;
  for (const char c : text) bytes += formatted("\\%02X", static_cast<unsigned char>(c));
  const std::string name = "@text." + module_.fresh().substr(1);
  module_.define_once(
      name, formatted("%s = private unnamed_addr constant [%zu x i8] c\"", name.c_str(), text.size() + 1) + bytes +
                "\\00\"\n");
  return name;
}

void Kernel::print(const Operation& op) {
  module_.declare("void @fl_device_print(ptr, ptr, i64, i32, i32, i32, i32, i32)");
  const std::string prefix = text_constant(op.word("prefix"));
  auto call = [&](const std::string& data, int64_t count, PrintKind kind, int64_t size) {
    out_->line(formatted("call void @fl_device_print(ptr %s, ptr %s, i64 %lld, i32 %d, i32 %lld, %s)", prefix.c_str(),
                         data.c_str(), static_cast<long long>(count), static_cast<int>(kind),
                         static_cast<long long>(size), kProgram));
  };
  if (op.operands.empty()) return call("null", 0, PrintKind::kUnsigned, 1);
  const bool hexadecimal = op.integer("hex") != 0;
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const Value* value = op.operands[i];
    const bool is_signed = i >= op.order.size() || op.order[i] != 0;
    PrintKind kind = kind_of(value->type, is_signed);
    if (hexadecimal && !value->type.holds_float()) kind = PrintKind::kPointer;
    const int64_t size = value->type.pointer ? 8 : ttir::bytes_of(value->type.scalar);
    call(in_memory(value), value->type.elements(), kind, size);
  }
}

// An i1 that is true only if the condition is, by a look at each run of positions; "" where it has no runs.
std::string Kernel::holds_in_runs(const Value* condition) {
  if (condition->type.shape.size() != 1) return "";
  const std::vector<Sink> sinks{{nullptr, condition, 0}};
  for (const bool runs : {false, true}) {
    Nest nest(shared_, Nest::Mode::kFast);
    nest.before().label = out_->label;
    nest.make_loops(condition->type.shape, {0}, 0, false, runs);
    if (!nest.find_runs(sinks)) return "";
    if (!runs) continue;
    const std::optional<std::string> holds = nest.holds_in_runs(condition);
    if (!holds) return "";
    out_->text += nest.before().text;
    out_->label = nest.before().label;
    return *holds;
  }
  return "";
}

// Rows that an index names are asserted to exist at each element; the index is looked at once a row.
void Kernel::assertion(const Operation& op) {
  const std::string holds = holds_in_runs(op.operands[0]);
  if (holds.empty()) return check_elements(op);
  const std::string check = module_.fresh_label();
  const std::string join = module_.fresh_label();
  out_->line("br i1 " + holds + ", label %" + join + ", label %" + check);
  out_->open(check);
  check_elements(op);
  out_->line("br label %" + join);
  out_->open(join);
}

void Kernel::check_elements(const Operation& op) {
  module_.declare("i32 @fl_device_assert(ptr, ptr, i64, i32, i32, i32)");
  const Value* condition = op.operands[0];
  const std::string data = in_memory(condition);
  const std::string message = text_constant(op.word("message") + formatted(" (kernel '%s')", function_.name.c_str()));
  const std::string failed = module_.fresh();
  out_->line(failed + formatted(" = call i32 @fl_device_assert(ptr %s, ptr %s, i64 %lld, %s)", message.c_str(),
                                data.c_str(), static_cast<long long>(condition->type.elements()), kProgram));
  const std::string stop = shared_.ops.compare("icmp", "ne", Type::of(Scalar::kI32), failed, "0", 1, *out_);
  const std::string on = module_.fresh_label();
  out_->line("br i1 " + stop + ", label %exit, label %" + on);
  out_->open(on);
}

}  // namespace fl::compiler
