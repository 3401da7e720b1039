// The C functions of routing.h: statuses outside, exceptions inside, and documents handed to sinks without the lock.
#include "base/error.h"
#include "base/log.h"
#include "routing/router.h"

using fl::guarded;
using fl::routing::LedgerFrame;
using fl::routing::Router;

namespace {

void require(const void* pointer, const char* what) {
  if (pointer == nullptr) fl::fail(FL_INVALID_ARGUMENT, "%s is NULL; give one.", what);
}

template <class Document>
fl_status tell(fl_text_sink sink, void* context, Document document) {
  return guarded([&] {
    require(reinterpret_cast<const void*>(sink), "the text sink");
    const std::string text = document();
    sink(context, text.data(), text.size());
  });
}

}  // namespace

extern "C" {

fl_status fl_routing_declare_driver(int32_t driver, const char* name) {
  return guarded([&] { Router::process().declare_driver(driver, name); });
}

fl_status fl_routing_declare_target(const fl_target_info* info, int32_t* target) {
  return guarded([&] {
    require(info, "fl_target_info");
    const int32_t id = Router::process().declare_target(*info);
    if (target != nullptr) *target = id;
  });
}

fl_status fl_routing_declare_operator(const fl_operator_info* info, int32_t* op) {
  return guarded([&] {
    require(info, "fl_operator_info");
    const int32_t id = Router::process().declare_operator(*info);
    if (op != nullptr) *op = id;
  });
}

fl_status fl_routing_slot(int32_t op, int32_t driver, fl_route_slot** slot) {
  return guarded([&] {
    require(slot, "the place for the slot");
    *slot = Router::process().slot(op, driver);
  });
}

void fl_routing_set_adapter(const fl_routing_adapter* adapter) {
  const fl_status status = guarded([&] {
    require(adapter, "fl_routing_adapter");
    Router::process().set_adapter(*adapter);
  });
  if (status != FL_OK) fl::log(FL_LOG_ERROR, "%s", fl_last_error());
}

void fl_routing_name_trait(int32_t bit, const char* name) {
  guarded([&] { Router::process().name_trait(bit, name); });
}

fl_status fl_routing_override(const char* pattern, const char* chain, const char* driver, int32_t* handle) {
  return guarded([&] {
    const int32_t added = Router::process().add_override(pattern, chain, driver);
    if (handle != nullptr) *handle = added;
  });
}

fl_status fl_routing_remove_override(int32_t handle) {
  return guarded([&] { Router::process().remove_override(handle); });
}

fl_status fl_routing_prepare(void) {
  return guarded([] { Router::process().prepare(); });
}

fl_status fl_routing_reset(void) {
  return guarded([] { Router::process().reset(); });
}

fl_status fl_routing_set_shipped_folder(const char* folder) {
  return guarded([&] { Router::process().set_shipped_folder(folder); });
}

fl_status fl_routing_explain(const char* op, const char* driver, uint64_t traits, fl_text_sink sink, void* context) {
  return tell(sink, context, [&] { return Router::process().explain(op, driver, traits); });
}

fl_status fl_routing_table(const char* driver, fl_text_sink sink, void* context) {
  return tell(sink, context, [&] { return Router::process().table(driver); });
}

fl_status fl_routing_targets(fl_text_sink sink, void* context) {
  return tell(sink, context, [] { return Router::process().targets(); });
}

fl_status fl_routing_conf(fl_text_sink sink, void* context) {
  return tell(sink, context, [] { return Router::process().conf(); });
}

fl_status fl_routing_set_trace(uint32_t bits) {
  return guarded([&] { Router::process().set_trace(bits); });
}

uint32_t fl_routing_get_trace(void) {
  uint32_t bits = 0;
  guarded([&] { bits = Router::process().trace(); });
  return bits;
}

void fl_ledger_add_copied(uint64_t bytes) {
  if (auto* row = LedgerFrame::current()) row->copied_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void fl_ledger_add_device_time(double nanoseconds) {
  if (auto* row = LedgerFrame::current()) row->device_ns.fetch_add(nanoseconds, std::memory_order_relaxed);
}

fl_status fl_ledger_report(fl_text_sink sink, void* context) {
  return tell(sink, context, [] {
    std::string text;
    {
      fl::JsonWriter json(
          [](void* to, const char* part, size_t size) { static_cast<std::string*>(to)->append(part, size); }, &text);
      Router::process().ledger().report(json);
    }
    return text;
  });
}

void fl_ledger_clear(void) { Router::process().ledger().clear(); }

}  // extern "C"
