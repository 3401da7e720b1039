#include "calls.h"

namespace fl::random::testing {
namespace {

// Bit for bit: the vector width, and whether a CPU can fuse a multiply and an add, must not show.
TEST(CodePath, every_one_gives_the_same_bits) {
  const Kernels* const* path = runnable_kernels();
  int compared = 0;
  for (; *path != nullptr; ++path) {
    if (*path == &kGenericKernels) continue;
    ++compared;
    for (const ElementwiseCall& call : elementwise_calls()) {
      for (const fl_random_span& span :
           {fl_random_span{7, 0, 0, 20011}, fl_random_span{~uint64_t{0}, 1 << 20, 3, 1}, fl_random_span{1, 4, 2, 63}}) {
        ASSERT_EQ(call.bytes(*path, span), call.bytes(&kGenericKernels, span)) << call.name << " on " << (*path)->name;
      }
    }
  }
  if (compared == 0) GTEST_SKIP() << "this CPU runs the generic code path only";
}

TEST(CodePath, public_functions_use_the_first_one) {
  EXPECT_STREQ(fl_random_code_path(), runnable_kernels()[0]->name);
  const fl_random_span span{3, 8, 5, 1000};
  for (const ElementwiseCall& call : elementwise_calls()) {
    EXPECT_EQ(call.bytes(nullptr, span), call.bytes(runnable_kernels()[0], span)) << call.name;
  }
}

}  // namespace
}  // namespace fl::random::testing
