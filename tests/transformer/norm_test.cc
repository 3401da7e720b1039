#include "samples.h"

namespace fl::transformer::testing {
namespace {

// Every code path, dtype and width, tails of vectors included, against the formula in double.
void compare(bool layer) {
  for (const Kernels* const* path = runnable_kernels(); *path != nullptr; ++path) {
    for (fl_dtype dtype : kDtypes) {
      for (int64_t width : {1, 3, 16, 63, 64, 129, 1536}) {
        const int64_t rows = 3, stride = width + 5;
        const Sample x = sample(dtype, static_cast<size_t>(rows * stride), 1, 2);
        const Sample weight = sample(FL_FLOAT32, static_cast<size_t>(width), 2);
        const Sample bias = sample(FL_FLOAT32, static_cast<size_t>(width), 3);
        std::vector<char> out(static_cast<size_t>(rows * width) * 4);
        fl_norm_args args{sizeof(fl_norm_args),
                          x.data(),
                          out.data(),
                          weight.values.data(),
                          layer ? bias.values.data() : nullptr,
                          dtype,
                          dtype,
                          rows,
                          width,
                          stride,
                          1e-3f};
        (layer ? (*path)->layer_norm : (*path)->rms_norm)(args, 0, rows);
        const auto y = values_of(out, dtype, static_cast<size_t>(rows * width));
        for (int64_t r = 0; r < rows; ++r) {
          const float* row = x.values.data() + r * stride;
          double mean = 0, squares = 0;
          for (int64_t i = 0; i < width && layer; ++i) mean += row[i] / static_cast<double>(width);
          for (int64_t i = 0; i < width; ++i) squares += (row[i] - mean) * (row[i] - mean);
          const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-3);
          for (int64_t i = 0; i < width; ++i) {
            const auto at = static_cast<size_t>(i);
            const double exact = (row[i] - mean) * factor * weight.values[at] + (layer ? bias.values[at] : 0.0f);
            ASSERT_NEAR(y[static_cast<size_t>(r * width + i)], exact, unit(dtype) * std::abs(exact) + 1e-5)
                << (*path)->name << ", dtype " << dtype << ", width " << width;
          }
        }
      }
    }
  }
}

TEST(Norm, rms_is_rounded_once_on_every_code_path) { compare(false); }
TEST(Norm, layer_is_rounded_once_on_every_code_path) { compare(true); }

// Sums run in one order whatever the width of vectors, so that a result does not depend on the CPU.
TEST(Norm, every_code_path_that_fuses_products_gives_the_same_bits) {
  const int64_t rows = 7, width = 1700;
  for (fl_dtype dtype : kDtypes) {
    const Sample x = sample(dtype, rows * width, 1, 2);
    const Sample weight = sample(FL_FLOAT32, width, 2), bias = sample(FL_FLOAT32, width, 3);
    std::vector<char> first[2];
    for (const Kernels* const* path = runnable_kernels(); *path != &kGenericKernels; ++path) {
      for (const bool layer : {false, true}) {
        std::vector<char> out(rows * width * 4);
        const float* shift = layer ? bias.values.data() : nullptr;
        fl_norm_args args{sizeof(fl_norm_args),
                          x.data(),
                          out.data(),
                          weight.values.data(),
                          shift,
                          dtype,
                          dtype,
                          rows,
                          width,
                          width,
                          1e-6f};
        (layer ? (*path)->layer_norm : (*path)->rms_norm)(args, 0, rows);
        if (first[layer].empty()) first[layer] = out;
        EXPECT_EQ(out, first[layer]) << (*path)->name << ", dtype " << dtype << (layer ? ", layer" : ", rms");
      }
    }
  }
}

TEST(Norm, wrong_arguments_are_refused_with_a_text) {
  float x[4] = {1, 2, 3, 4}, out[4];
  fl_norm_args args{sizeof(fl_norm_args), x, out, nullptr, nullptr, FL_FLOAT32, FL_FLOAT32, 1, 4, 4, 1e-6f};
  EXPECT_EQ(fl_rms_norm(&args), FL_OK);
  args.x_dtype = FL_INT32;
  EXPECT_EQ(fl_rms_norm(&args), FL_UNSUPPORTED);
  EXPECT_NE(std::string(fl_last_error()).find("rms_norm works on"), std::string::npos);
  args.x_dtype = FL_FLOAT32;
  args.rows = -1;
  EXPECT_EQ(fl_layer_norm(&args), FL_INVALID_ARGUMENT);
  args.rows = 1;
  args.x = nullptr;
  EXPECT_EQ(fl_layer_norm(&args), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_layer_norm(nullptr), FL_INVALID_ARGUMENT);
  args.rows = 0;
  EXPECT_EQ(fl_layer_norm(&args), FL_OK);
}

}  // namespace
}  // namespace fl::transformer::testing
