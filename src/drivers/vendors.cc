// The vendors whose names a conf file may use although this build has no driver for them: such a route is skipped with
// the sentence below instead of being called unknown. A vendor leaves the table when its driver enters linked_in.cc.
#include "flagos/runtime.h"

namespace {
struct Vendor {
  const char *name, *absent;
};
constexpr Vendor kVendors[] = {
    {"cuda", "this build has no driver for CUDA devices; route the operator to cpu"},
    {"metax", "this build has no driver for MetaX devices; route the operator to cpu"},
    {"ascend", "this build has no driver for Ascend devices; route the operator to cpu"},
};
}  // namespace

extern "C" int32_t fl_absent_vendor(int32_t index, const char** name, const char** why) {
  if (index < 0 || index >= static_cast<int32_t>(sizeof kVendors / sizeof *kVendors)) return 0;
  *name = kVendors[index].name;
  *why = kVendors[index].absent;
  return 1;
}
