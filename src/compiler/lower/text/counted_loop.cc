#include "compiler/lower/text/counted_loop.h"

namespace fl::compiler {

void counted_loop(LlvmModule& module, Elementwise& ops, Stream& out, const std::string& from, const std::string& to,
                  int64_t step, bool may_be_empty, std::vector<Carried>* carried, const LoopBody& body) {
  const Type integer = Type::of(Scalar::kI64);
  const std::string before = out.label;
  const std::string head_label = module.fresh_label();
  const std::string after = module.fresh_label();
  if (may_be_empty) {
    const std::string any = ops.compare("icmp", "slt", integer, from, to, 1, out);
    out.line("br i1 " + any + ", label %" + head_label + ", label %" + after);
  } else {
    out.line("br label %" + head_label);
  }
  std::vector<std::string> starts;
  for (Carried& value : *carried) {
    starts.push_back(value.current);
    value.current = module.fresh();
  }
  const std::vector<Carried> incoming = *carried;
  const std::string position = module.fresh();
  Stream head;
  head.label = head_label;
  body(head, position);
  const std::string next = ops.binary("add", integer, position, std::to_string(step), 1, head);
  const std::string more = ops.compare("icmp", "slt", integer, next, to, 1, head);
  head.line("br i1 " + more + ", label %" + head_label + ", label %" + after);

  out.open(head_label);
  out.line(position + " = phi i64 [ " + from + ", %" + before + " ], [ " + next + ", %" + head.label + " ]");
  for (size_t i = 0; i < carried->size(); ++i) {
    out.line(incoming[i].current + " = phi " + incoming[i].type + " [ " + starts[i] + ", %" + before + " ], [ " +
             (*carried)[i].current + ", %" + head.label + " ]");
  }
  out.text += head.text;
  out.open(after);
  if (!may_be_empty) return;
  for (size_t i = 0; i < carried->size(); ++i) {
    const std::string result = module.fresh();
    out.line(result + " = phi " + incoming[i].type + " [ " + starts[i] + ", %" + before + " ], [ " +
             (*carried)[i].current + ", %" + head.label + " ]");
    (*carried)[i].current = result;
  }
}

}  // namespace fl::compiler
