/* Says that it is present, with a complete table, and then has no device; FL_ABSENT would have been the answer. */
#include "flagos/hal.h"

static fl_status unused(void) { return FL_UNSUPPORTED; }
#define UNUSED (void*)unused

static const char* last_error(void) { return "no_devices has no device"; }
static const void* group(const char* name) { return (void)name, (const void*)0; }
static fl_status device_count(int32_t* count) { return *count = 0, FL_OK; }

static fl_driver g_driver;

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  (void)host, (void)why, (void)why_size;
  /* Every function that nobody may reach, for there is no device to pass. */
  void** const functions = (void**)&g_driver.device_info;
  for (size_t i = 0; i < (sizeof(g_driver) - offsetof(fl_driver, device_info)) / sizeof(void*); ++i)
    functions[i] = UNUSED;
  g_driver.struct_size = sizeof(g_driver);
  g_driver.abi_version = FL_HAL_VERSION;
  g_driver.name = "no_devices";
  g_driver.version = "1.0";
  g_driver.last_error = last_error;
  g_driver.group = group;
  g_driver.device_count = device_count;
  *driver = &g_driver;
  return FL_OK;
}
