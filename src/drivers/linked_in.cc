#include "drivers/linked_in.h"

namespace fl::drivers {

std::span<const LinkedIn> linked_in() {
  static constexpr LinkedIn table[] = {
      {"host", fl_host_driver_entry},
  };
  return table;
}

}  // namespace fl::drivers
