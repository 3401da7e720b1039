// Opens the real drivers before any test does anything, as a process does: a driver's own fork handlers must be registered
// before the runtime's, whose locks are taken first. Here, unlike in a process, devices are made many times over.
#include <gtest/gtest.h>

#include "devices_fixture.h"

namespace fl::test {
namespace {

class RealDriversFirst : public testing::Environment {
  void SetUp() override { use_drivers({"host"}); }
};
[[maybe_unused]] const testing::Environment* const environment = testing::AddGlobalTestEnvironment(new RealDriversFirst);

}  // namespace
}  // namespace fl::test
