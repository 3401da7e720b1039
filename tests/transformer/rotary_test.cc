#include "samples.h"

namespace fl::transformer::testing {
namespace {

TEST(Rotary, every_code_path_layout_and_table_equals_the_formula) {
  constexpr int64_t kTokens = 5, kHeads = 3;
  for (const Kernels* const* path = runnable_kernels(); *path != nullptr; ++path)
    for (fl_dtype dtype : kDtypes)
      for (int64_t width : {2, 6, 34, 128})
        for (bool interleaved : {true, false})
          for (bool wide : {true, false}) {
            const int64_t table = wide ? width : width / 2;
            const auto count = static_cast<size_t>(kTokens * kHeads * width);
            const Sample x = sample(dtype, count, 1);
            const Sample cos = sample(FL_FLOAT32, static_cast<size_t>(kTokens * table), 2);
            const Sample sin = sample(FL_FLOAT32, static_cast<size_t>(kTokens * table), 3);
            std::vector<char> out(count * 4);
            fl_rotary_args args{};
            args.struct_size = sizeof args;
            args.x = x.data(), args.out = out.data();
            args.cos = cos.values.data(), args.sin = sin.values.data();
            args.dtype = dtype, args.width = width, args.table_width = table, args.interleaved = interleaved;
            const int64_t sizes[] = {1, kTokens, kHeads}, strides[] = {0, kHeads * width, width};
            const int64_t table_strides[] = {0, table, 0, 1};
            std::copy_n(sizes, 3, args.sizes), std::copy_n(strides, 3, args.x_strides);
            std::copy_n(table_strides, 4, args.cos_strides), std::copy_n(table_strides, 4, args.sin_strides);
            (*path)->rotary(args, 0, kTokens);
            const auto y = values_of(out, dtype, count);
            for (int64_t t = 0; t < kTokens; ++t)
              for (int64_t h = 0; h < kHeads; ++h)
                for (int64_t i = 0; i < width / 2; ++i) {
                  const int64_t a = interleaved ? 2 * i : i, b = interleaved ? a + 1 : a + width / 2;
                  const auto row = static_cast<size_t>((t * kHeads + h) * width),
                             angle = static_cast<size_t>(t * table);
                  const auto A = static_cast<size_t>(a), B = static_cast<size_t>(b);
                  const size_t at_a = angle + (wide ? A : static_cast<size_t>(i));
                  const size_t at_b = angle + (wide ? B : static_cast<size_t>(i));
                  const double first = x.values[row + A], second = x.values[row + B];
                  const double turned_a = first * cos.values[at_a] - second * sin.values[at_a];
                  const double turned_b = second * cos.values[at_b] + first * sin.values[at_b];
                  ASSERT_NEAR(y[row + A], turned_a, unit(dtype) * std::abs(turned_a) + 1e-6) << (*path)->name;
                  ASSERT_NEAR(y[row + B], turned_b, unit(dtype) * std::abs(turned_b) + 1e-6) << (*path)->name;
                }
          }
}

TEST(Rotary, a_table_that_does_not_fit_is_refused) {
  fl_rotary_args args{};
  args.struct_size = sizeof args;
  args.dtype = FL_FLOAT32, args.width = 8, args.table_width = 3;
  EXPECT_EQ(fl_rotary(&args), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(fl_last_error()).find("table_width"), std::string::npos);
}

}  // namespace
}  // namespace fl::transformer::testing
