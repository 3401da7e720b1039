/* Wraps the driver library of FLAGOS_LIAR_WRAPS and tells one lie, chosen by FLAGOS_LIAR_LIE: the conformance program
 * must find each. Test code: it reads its environment itself, for no declared variable is meant for it. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "flagos/hal.h"

static fl_driver g_table;
static const fl_driver* g_truth;

static fl_status copy_loses_last_byte(int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst,
                                      uint64_t src, uint64_t size) {
  return g_truth->copy(device, stream, kind, dst, src, size > 1 ? size - 1 : size);
}
static fl_status fill_is_one_short(int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern,
                                   uint32_t pattern_size, uint64_t count) {
  return g_truth->fill(device, stream, dst, pattern, pattern_size, count > 1 ? count - 1 : count);
}
static fl_status release_accepts_anything(int32_t device, fl_addr address) {
  g_truth->release(device, address);
  return FL_OK;
}
static fl_status query_is_never_ready(int32_t device, fl_hal_stream stream) {
  return (void)device, (void)stream, FL_NOT_READY;
}
static const char* error_without_text(void) { return ""; }
static fl_status allocate_is_odd(int32_t device, uint64_t size, fl_addr* address) {
  const fl_status status = g_truth->allocate(device, size + 1, address);
  if (status == FL_OK) *address += 1;
  return status;
}
static const void* group_of_any_name(const char* name) { return name; }

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  const char* const lie = getenv("FLAGOS_LIAR_LIE");
  void* const library = dlopen(getenv("FLAGOS_LIAR_WRAPS"), RTLD_NOW);
  const fl_driver_entry_fn entry = library ? (fl_driver_entry_fn)dlsym(library, FL_DRIVER_ENTRY_SYMBOL) : NULL;
  if (!entry || !lie) return FL_INTERNAL;
  const fl_status status = entry(host, &g_truth, why, why_size);
  if (status != FL_OK) return strcmp(lie, "any_major") ? status : FL_OK;
  g_table = *g_truth;
  if (!strcmp(lie, "copy")) g_table.copy = copy_loses_last_byte;
  if (!strcmp(lie, "fill")) g_table.fill = fill_is_one_short;
  if (!strcmp(lie, "release")) g_table.release = release_accepts_anything;
  if (!strcmp(lie, "query")) g_table.stream_query = query_is_never_ready;
  if (!strcmp(lie, "text")) g_table.last_error = error_without_text;
  if (!strcmp(lie, "allocate")) g_table.allocate = allocate_is_odd;
  if (!strcmp(lie, "group")) g_table.group = group_of_any_name;
  if (!strcmp(lie, "missing")) g_table.event_query = NULL;
  if (!strcmp(lie, "name")) g_table.name = "Not A Word";
  *driver = &g_table;
  return FL_OK;
}
