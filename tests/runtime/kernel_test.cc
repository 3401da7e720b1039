// Kernels: loaded, launched, counted, and unloaded only when no stream runs them.
#include <gmock/gmock.h>

#include "devices_fixture.h"

namespace fl::test {
namespace {

using testing::HasSubstr;

class KernelTest : public FakeDevices {
 protected:
  static fl_status load(fl_kernel** kernel, const char* function = "store", const char* kind = "fake",
                        int32_t device = 0) {
    fl_kernel_image image{};
    image.struct_size = sizeof(image);
    image.kind = kind;
    image.data = "store";
    image.size = 5;
    image.function = function;
    return fl_kernel_load(device, &image, kernel);
  }
  static fl_status store(fl_kernel* kernel, fl_stream* stream, fl_addr address, uint64_t value) {
    const fl_arg args[] = {{FL_ARG_ADDRESS, 8, &address}, {FL_ARG_BYTES, 8, &value}};
    fl_launch_config config{};
    config.struct_size = sizeof(config);
    return fl_launch(kernel, &config, args, 2, stream);
  }
};

TEST_F(KernelTest, a_launched_kernel_does_its_work) {
  start();
  fl_kernel* kernel = nullptr;
  ASSERT_OK(load(&kernel));
  fl_block* block = allocate(8);
  ASSERT_OK(store(kernel, stream_, block->address, 42));
  EXPECT_EQ(*static_cast<uint64_t*>(driver().host_view(block->address)), 42u);
  fl_kernel_release(kernel);
  EXPECT_EQ(driver().live_modules(), 0u);
}

TEST_F(KernelTest, it_lives_until_the_last_reference_is_released) {
  start();
  fl_kernel* kernel = nullptr;
  ASSERT_OK(load(&kernel));
  fl_kernel_retain(kernel);
  fl_kernel_release(kernel);
  EXPECT_EQ(driver().live_modules(), 1u);
  fl_kernel_release(kernel);
  EXPECT_EQ(driver().live_modules(), 0u);
  fl_kernel_release(nullptr);
}

TEST_F(KernelTest, it_is_unloaded_only_when_no_stream_runs_it) {
  start();
  fl_kernel *kernel = nullptr, *next = nullptr;
  ASSERT_OK(load(&kernel));
  fl_stream* streams[] = {pool_stream(0, -3), pool_stream()};
  driver().holding = true;
  for (fl_stream* stream : streams) ASSERT_OK(store(kernel, stream, allocate(8)->address, 1));
  fl_kernel_release(kernel);
  EXPECT_EQ(driver().live_modules(), 1u);
  EXPECT_EQ(driver().count("event_record"), 2);
  ASSERT_OK(load(&next));
  EXPECT_EQ(driver().live_modules(), 2u);
  driver().run();
  fl_kernel_release(next);
  EXPECT_EQ(driver().live_modules(), 0u);
}

TEST_F(KernelTest, what_the_driver_cannot_load_is_said) {
  start();
  fl_kernel* kernel = nullptr;
  EXPECT_EQ(load(&kernel, "store", "spirv"), FL_UNSUPPORTED);
  EXPECT_THAT(fl_last_error(), HasSubstr("takes no image of kind \"spirv\" (it takes: fake)"));
  EXPECT_EQ(load(&kernel, "no_such"), FL_INVALID_ARGUMENT);
  EXPECT_THAT(fl_last_error(), HasSubstr("cannot load the kernel no_such: the image has no such function"));
  EXPECT_EQ(driver().live_modules(), 0u);
  driver().fail("load", FL_INVALID_ARGUMENT, "bad magic");
  EXPECT_EQ(load(&kernel), FL_INVALID_ARGUMENT);
  EXPECT_THAT(fl_last_error(), HasSubstr("bad magic"));
  EXPECT_EQ(fl_kernel_load(0, nullptr, &kernel), FL_INVALID_ARGUMENT);
}

TEST_F(KernelTest, a_driver_without_modules_says_so) {
  driver().has_module = false;
  start();
  fl_kernel* kernel = nullptr;
  EXPECT_EQ(load(&kernel), FL_UNSUPPORTED);
  EXPECT_THAT(fl_last_error(), HasSubstr("has no \"module/1\""));
}

TEST_F(KernelTest, a_launch_on_another_devices_stream_is_refused) {
  driver().devices = 2;
  start();
  fl_kernel* kernel = nullptr;
  ASSERT_OK(load(&kernel));
  EXPECT_EQ(store(kernel, pool_stream(1), allocate(8)->address, 1), FL_INVALID_ARGUMENT);
  EXPECT_THAT(fl_last_error(), HasSubstr("A kernel of flagos:0 cannot be launched on a stream of flagos:1"));
  EXPECT_EQ(store(nullptr, stream_, 0, 1), FL_INVALID_ARGUMENT);
  driver().fail("launch", FL_INVALID_ARGUMENT, "too many arguments");
  EXPECT_EQ(store(kernel, stream_, allocate(8)->address, 1), FL_INVALID_ARGUMENT);
  EXPECT_THAT(fl_last_error(), HasSubstr("cannot launch a kernel: too many arguments"));
  fl_kernel_release(kernel);
}

}  // namespace
}  // namespace fl::test
