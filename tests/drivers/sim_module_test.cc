#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "sim_objects.h"

namespace fl {
namespace {

const fl_driver& driver = sim_driver();

std::vector<float> read_floats(fl_addr from, uint64_t count) {
  std::vector<float> seen(count);
  EXPECT_DONE(driver, driver.copy(0, nullptr, FL_COPY_DEVICE_TO_HOST, address(seen.data()), from, count * 4));
  return seen;
}

TEST(SimModule, builtin_kernels_compute_for_every_grid) {
  const SimStream stream;
  const SimKernels kernels;
  for (const uint32_t programs : {1u, 2u, 7u, 1000u}) {
    const SimMemory x(100 * 4), y(100 * 4);
    kernels.fill(stream, x.at, 100, 3, programs);
    kernels.fill(stream, y.at, 100, 10, programs);
    kernels.axpy(stream, y.at, x.at, 2, 100, programs);
    stream.synchronize();
    EXPECT_EQ(read_floats(y.at, 100), std::vector<float>(100, 16)) << programs;
  }
}

TEST(SimModule, builtin_kernels_refuse_other_arguments) {
  const SimStream stream;
  const SimKernels kernels;
  const SimMemory memory(64);
  const uint64_t count = 17;  // one float more than the block has
  const float value = 1;
  EXPECT_EQ(kernels.launch("fill", stream, {}), FL_INVALID_ARGUMENT);
  EXPECT_EQ(kernels.launch("fill", stream,
                           {{FL_ARG_ADDRESS, 8, &memory.at}, {FL_ARG_BYTES, 8, &count}, {FL_ARG_BYTES, 4, &value}}),
            FL_INVALID_ARGUMENT);
  EXPECT_EQ(kernels.launch("gate", stream, {{FL_ARG_BYTES, 4, &value}}), FL_INVALID_ARGUMENT);
}

TEST(SimModule, the_distance_is_the_same_for_each_device_and_a_power_of_two) {
  uint64_t distance = 0;
  ASSERT_DONE(driver, sim_control().distance(&distance));
  EXPECT_EQ(distance, uint64_t{64} << 30);
}

TEST(SimModule, an_object_that_adds_the_distance_computes) {
  std::ifstream file(FLAGOS_SIM_KERNEL, std::ios::binary);
  const std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(image.empty());
  const auto& group = group_of<fl_hal_module1>(driver, "module/1");
  uint64_t distance = 0;
  ASSERT_DONE(driver, sim_control().distance(&distance));
  for (const int32_t device : {0, 1}) {
    fl_hal_module module = nullptr;
    fl_hal_function function = nullptr, again = nullptr;
    ASSERT_DONE(driver,
                group.load(device, "elf-x86_64", "sim_kernel", image.data(), image.size(), nullptr, nullptr, &module));
    ASSERT_DONE(driver, group.function(device, module, "add_program_id", &function));
    ASSERT_DONE(driver, group.function(device, module, "add_program_id", &again));
    EXPECT_EQ(function, again);
    EXPECT_EQ(group.function(device, module, "gate", &again), FL_INVALID_ARGUMENT) << "not a builtin of this module";
    {
      const SimStream stream(device);
      const SimMemory out(1000 * 4, device);
      const uint32_t zero = 0, addend = 5;
      ASSERT_DONE(driver, driver.fill(device, stream.handle, out.at, &zero, 4, 1000));
      const fl_arg args[] = {{FL_ARG_ADDRESS, 8, &out.at}, {FL_ARG_BYTES, 8, &distance}, {FL_ARG_BYTES, 4, &addend}};
      const fl_launch_config config = {sizeof(config), {10, 10, 10}, {1, 1, 1}, 0, 0, 0};
      ASSERT_DONE(driver, group.launch(device, stream.handle, function, &config, args, 3));
      std::vector<uint32_t> seen(1000);
      ASSERT_DONE(driver,
                  driver.copy(device, stream.handle, FL_COPY_DEVICE_TO_HOST, address(seen.data()), out.at, 4000));
      for (uint32_t id = 0; id < 1000; ++id) ASSERT_EQ(seen[id], 5 + id);
    }
    ASSERT_DONE(driver, group.unload(device, module));
    EXPECT_EQ(group.unload(device, module), FL_INVALID_ARGUMENT);
  }
}

}  // namespace
}  // namespace fl
