/* Of the right version, with a table that ends in the middle: its struct_size covers the devices and no memory. What
 * lies behind is garbage, so that a reader who ignores struct_size crashes. */
#include "flagos/hal.h"

static fl_status device_count(int32_t* count) { return *count = 1, FL_OK; }
static const char* last_error(void) { return "none"; }
static const void* group(const char* name) { return (void)name, (const void*)0; }

static fl_driver g_driver = {
    .struct_size = offsetof(fl_driver, allocate),
    .abi_version = FL_HAL_VERSION,
    .name = "short_table",
    .version = "1.0",
    .last_error = last_error,
    .group = group,
    .device_count = device_count,
};

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  (void)host, (void)why, (void)why_size;
  for (char* byte = (char*)&g_driver + g_driver.struct_size; byte < (char*)(&g_driver + 1); ++byte) *byte = (char)0xA5;
  *driver = &g_driver;
  return FL_OK;
}
