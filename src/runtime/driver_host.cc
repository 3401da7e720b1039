// What the core offers to a driver: options, the logger, the thread pool.
#include <cstring>

#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "runtime/driver_list.h"
#include "runtime/driver_open.h"

namespace fl::runtime {
namespace {

// A driver asks for its options inside its entry and device_count, and cannot tell "unset" from "refused". The refusal
// waits here until the call is back, where it becomes the reason of the driver's row.
thread_local std::string refused_option;

bool is_declared(const char* name) {
  for (int32_t i = 0; i < fl_env_count(); ++i) {
    fl_env_info info{};
    info.struct_size = sizeof(info);
    if (fl_env_at(i, &info) == FL_OK && std::strcmp(info.name, name) == 0) return true;
  }
  return false;
}

const char* option(const char* name) {
  if (!name || !is_declared(name)) return nullptr;
  try {
    return env::text(name);
  } catch (const Error& error) {
    refused_option = error.what();
    return nullptr;
  }
}

void log_line(int32_t level, const char* text) { fl_log(level, text); }

}  // namespace

const fl_driver_host& driver_host() {
  static const fl_driver_host host = {sizeof(fl_driver_host), FL_HAL_VERSION, 0, option, log_line, fl_parallel_for};
  return host;
}

std::string take_refused_option() {
  std::string text;
  text.swap(refused_option);
  return text;
}

}  // namespace fl::runtime
