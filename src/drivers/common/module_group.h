// The table of the group "module/1" over a driver's own functions, which throw: a failure becomes the status and the
// text of fl_last_error().
#ifndef FLAGOS_DRIVERS_COMMON_MODULE_GROUP_H_
#define FLAGOS_DRIVERS_COMMON_MODULE_GROUP_H_

#include <cstdint>

#include "base/error.h"
#include "flagos/hal.h"

namespace fl::drivers {

// `kinds` ends with nullptr and lives as long as the process. `load` and `find` return the handle; all four take the
// arguments of hal.h otherwise.
template <auto load, auto unload, auto find, auto launch>
constexpr fl_hal_module1 module_group_of(const char* const* kinds) {
  return {
      .struct_size = sizeof(fl_hal_module1),
      .image_kinds = kinds,
      .load =
          [](int32_t device, const char* kind, const char* name, const void* image, uint64_t size,
             fl_symbol_resolver resolver, void* context, fl_hal_module* module) {
            return guarded([&] { *module = load(device, kind, name, image, size, resolver, context); });
          },
      .unload = [](int32_t device, fl_hal_module module) { return guarded([&] { unload(device, module); }); },
      .function = [](int32_t device, fl_hal_module module, const char* name,
                     fl_hal_function* function) { return guarded([&] { *function = find(device, module, name); }); },
      .launch = [](int32_t device, fl_hal_stream stream, fl_hal_function function, const fl_launch_config* config,
                   const fl_arg* args,
                   uint32_t count) { return guarded([&] { launch(device, stream, function, config, args, count); }); },
  };
}

}  // namespace fl::drivers
#endif  // FLAGOS_DRIVERS_COMMON_MODULE_GROUP_H_
