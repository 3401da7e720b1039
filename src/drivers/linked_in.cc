#include "drivers/linked_in.h"

namespace fl::drivers {

std::span<const LinkedIn> linked_in() {
  static constexpr LinkedIn table[] = {
      {"sim", fl_sim_driver_entry},
      {"host", fl_host_driver_entry},
  };
  return table;
}

}  // namespace fl::drivers
