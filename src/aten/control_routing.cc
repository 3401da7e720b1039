// Operators that Python's torch_fl.routing calls. JSON documents of the core cross as text.
#include <torch/library.h>

#include <optional>
#include <string>

#include "aten/control.h"
#include "aten/operator.h"
#include "aten/python_target.h"
#include "aten/routing_adapter.h"
#include "aten/traits.h"
#include "flagos/routing.h"

namespace flagos {
namespace {

const char* text_or_null(const std::optional<std::string>& text) { return text ? text->c_str() : nullptr; }

// `operands` are the tensors of a call, in any order and wherever they stand in it: traits do not depend on that.
std::string explain(const std::string& name, const std::optional<std::string>& driver, at::TensorList operands) {
  uint64_t traits = 0;
  if (const auto* op = find_operator(name); op != nullptr && op->arguments > 0) {
    torch::jit::Stack stack(op->arguments);
    stack[0] = operands.vec();
    const auto dot = op->full_name.find('.');
    const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(
        op->full_name.substr(0, dot).c_str(), dot == std::string::npos ? "" : op->full_name.substr(dot + 1).c_str());
    traits = traits_of(Call{handle, *op, stack});
  }
  return text_from([&](fl_text_sink sink, void* context) {
    return fl_routing_explain(name.c_str(), text_or_null(driver), traits, sink, context);
  });
}

std::string table(const std::optional<std::string>& driver) {
  return text_from(
      [&](fl_text_sink sink, void* context) { return fl_routing_table(text_or_null(driver), sink, context); });
}

int64_t override_chain(const std::string& pattern, const std::string& chain, const std::optional<std::string>& driver) {
  int32_t handle = -1;
  check(fl_routing_override(pattern.c_str(), chain.c_str(), text_or_null(driver), &handle));
  return handle;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(flagos, m) {
  m.def("routing_explain(str op, str? driver, Tensor[] operands) -> str", &explain);
  m.def("routing_table(str? driver) -> str", &table);
  m.def("routing_targets() -> str", [] { return text_from(fl_routing_targets); });
  m.def("routing_conf() -> str", [] { return text_from(fl_routing_conf); });
  m.def("routing_override(str pattern, str chain, str? driver) -> int", &override_chain);
  m.def("routing_remove_override(int handle) -> ()",
        [](int64_t handle) { check(fl_routing_remove_override(static_cast<int32_t>(handle))); });
  m.def("routing_prepare() -> ()", [] { check(fl_routing_prepare()); });
  m.def("routing_reset() -> ()", [] { check(fl_routing_reset()); });
  m.def("routing_shipped_folder(str folder) -> ()",
        [](const std::string& folder) { check(fl_routing_set_shipped_folder(folder.c_str())); });
  m.def("routing_set_trace(int bits) -> ()",
        [](int64_t bits) { check(fl_routing_set_trace(static_cast<uint32_t>(bits))); });
  m.def("routing_trace() -> int", [] { return static_cast<int64_t>(fl_routing_get_trace()); });
  m.def("ledger_report() -> str", [] { return text_from(fl_ledger_report); });
  m.def("ledger_clear() -> ()", [] { fl_ledger_clear(); });
  m.def(
      "declare_function_target(str name, str aliases, str library, str drivers, str[] provided, "
      "str[] differentiated) -> ()",
      [](std::string name, std::string aliases, std::string library, std::string drivers,
         const c10::List<std::string>& provided, const c10::List<std::string>& differentiated) {
        declare_function_target({std::move(name), std::move(aliases), std::move(library), std::move(drivers),
                                 std::vector<std::string>(provided.begin(), provided.end()),
                                 std::vector<std::string>(differentiated.begin(), differentiated.end())});
      });
  m.def("declare_absent_target(str name, str aliases, str why) -> ()",
        [](const std::string& name, const std::string& aliases, const std::string& why) {
          declare_absent_target(name.c_str(), aliases.c_str(), nullptr, why.c_str());
        });
  m.def("route_decline(str why, bool remember) -> ()", &decline_function_call);
}

}  // namespace flagos
