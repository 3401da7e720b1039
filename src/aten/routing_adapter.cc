// What the routing room asks of the plugin: traits, texts, the shadow comparison, exceptions; and the targets that
// other parts of flagos bring and that are known by name before they are there.
#include "aten/routing_adapter.h"

#include <ATen/core/Tensor.h>

#include "aten/errors.h"
#include "aten/operator.h"
#include "aten/shadow.h"
#include "aten/traits.h"
#include "flagos/runtime.h"

namespace flagos {
namespace {

const Call& call_of(void* call) { return *static_cast<const Call*>(call); }

void emit(const std::string& text, fl_text_sink sink, void* context) { sink(context, text.data(), text.size()); }

const fl_routing_adapter kAdapter{
    sizeof(fl_routing_adapter),
    [](void* call) { return traits_of(call_of(call)); },
    [](void* call, fl_text_sink sink, void* context) {
      std::string text;
      describe(call_of(call), text);
      emit(text, sink, context);
    },
    [](void* call) { return signature_of(call_of(call)); },
    [](void* call, fl_target_run run, void* data, fl_target_run reference, void* reference_data, fl_text_sink sink,
       void* context, fl_outcome* outcome) -> int32_t {
      std::string report;
      if (!run_shadowed(call_of(call), run, data, reference, reference_data, *outcome, report)) return 0;
      emit(report, sink, context);
      return 1;
    },
    [](fl_status status) { raise(status); }};

}  // namespace

void declare_absent_target(const char* name, const char* aliases, const char* drivers, const char* why) {
  fl_target_info info{};
  info.struct_size = sizeof info;
  info.name = name;
  info.aliases = aliases;
  info.drivers = drivers;
  info.absent = why;
  int32_t id = -1;
  check(fl_routing_declare_target(&info, &id));
}

namespace {

const bool declared = [] {
  fl_routing_set_adapter(&kAdapter);
  for (int dtype = 0; dtype < 31; ++dtype) {
    fl_routing_name_trait(dtype, c10::toString(static_cast<at::ScalarType>(dtype)));
  }
  // Python declares these two again, present or with what is missing.
  constexpr const char* kNoPython = "FlagGems is called through Python, which this process does not run";
  declare_absent_target("flagos", "flaggems", nullptr, kNoPython);
  declare_absent_target("flagos_python", "flaggems_python", nullptr, kNoPython);
  const char *vendor = nullptr, *why = nullptr;
  for (int32_t i = 0; fl_absent_vendor(i, &vendor, &why) != 0; ++i) declare_absent_target(vendor, nullptr, vendor, why);
  return true;
}();

}  // namespace
}  // namespace flagos
