// Opens the real drivers before any test does anything, as a process does: a driver's own fork handlers must be
// registered before the runtime's, whose locks are taken first. Here, unlike in a process, devices are made many times
// over.
#include <gtest/gtest.h>

#include "base/env.h"
#include "devices_fixture.h"

namespace fl::test {
namespace {

class RealDriversFirst : public testing::Environment {
  void SetUp() override {
    const env::Scoped named({{"FLAGOS_DRIVER", "sim,host"}});
    use_drivers({"sim", "host"});
  }
};
[[maybe_unused]] const testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new RealDriversFirst);

}  // namespace
}  // namespace fl::test
