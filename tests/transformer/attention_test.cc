#include "base/cpu_features.h"
#include "samples.h"
#include "transformer/attention_kernel.h"
#include "transformer/tile_dot.h"

namespace fl::transformer::testing {
namespace {

struct Shape {
  int64_t queries, keys, heads, kv_heads, size;
  bool causal;
};

void compare(const AttentionKernel& kernel, const char* name, fl_dtype dtype, const Shape& s) {
  const auto rows = static_cast<size_t>(s.queries * s.heads * s.size),
             kv = static_cast<size_t>(s.keys * s.kv_heads * s.size);
  const Sample q = sample(dtype, rows, 1), k = sample(dtype, kv, 2), v = sample(dtype, kv, 3);
  std::vector<char> out(rows * 4);
  std::vector<float> lse(static_cast<size_t>(s.queries * s.heads));
  const int64_t q_bounds[] = {0, s.queries}, kv_bounds[] = {0, s.keys};
  fl_attention_args args{};
  args.struct_size = sizeof args;
  args.q = q.data(), args.k = k.data(), args.v = v.data(), args.out = out.data(), args.lse = lse.data();
  args.q_bounds = q_bounds, args.kv_bounds = kv_bounds, args.dtype = dtype, args.segments = 1;
  args.heads = s.heads, args.kv_heads = s.kv_heads, args.head_size = s.size, args.causal = s.causal;
  args.q_strides[0] = s.heads * s.size, args.k_strides[0] = args.v_strides[0] = s.kv_heads * s.size;
  args.q_strides[1] = args.k_strides[1] = args.v_strides[1] = s.size;
  args.scale = 0.3f;
  const size_t bytes = dtype == FL_FLOAT32 ? 4 : 2;
  for (int64_t h = 0; h < s.heads; ++h) {
    const auto head = static_cast<size_t>(h * s.size),
               kv_head = static_cast<size_t>(h / (s.heads / s.kv_heads) * s.size);
    HeadSpan span{q.bytes.data() + head * bytes,
                  k.bytes.data() + kv_head * bytes,
                  v.bytes.data() + kv_head * bytes,
                  out.data() + head * bytes,
                  lse.data() + h,
                  nullptr,
                  s.queries,
                  s.keys};
    std::vector<char> packed(kernel.packed_bytes(args, s.keys));
    kernel.pack(args, span, packed.data());
    for (int64_t first = 0; first < s.queries; first += kernel.block) kernel.run(args, span, packed.data(), first);
  }
  const auto y = values_of(out, dtype, rows);
  for (int64_t i = 0; i < s.queries; ++i)
    for (int64_t h = 0; h < s.heads; ++h) {
      const float* row = q.values.data() + (i * s.heads + h) * s.size;
      const int64_t kv_head = h / (s.heads / s.kv_heads);
      const int64_t seen = s.causal ? std::min(s.keys, std::max<int64_t>(0, i + 1 + s.keys - s.queries)) : s.keys;
      std::vector<double> score(static_cast<size_t>(seen)), sum(static_cast<size_t>(s.size));
      double peak = -std::numeric_limits<double>::infinity(), total = 0;
      for (int64_t j = 0; j < seen; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < s.size; ++d)
          dot += double{row[d]} * k.values[static_cast<size_t>((j * s.kv_heads + kv_head) * s.size + d)];
        score[static_cast<size_t>(j)] = dot * args.scale;
        peak = std::max(peak, dot * args.scale);
      }
      for (int64_t j = 0; j < seen; ++j) {
        const double weight = std::exp(score[static_cast<size_t>(j)] - peak);
        total += weight;
        for (int64_t d = 0; d < s.size; ++d)
          sum[static_cast<size_t>(d)] +=
              weight * v.values[static_cast<size_t>((j * s.kv_heads + kv_head) * s.size + d)];
      }
      const auto at = static_cast<size_t>(i * s.heads + h);
      if (seen == 0) {
        ASSERT_EQ(lse[at], -std::numeric_limits<float>::infinity());
      } else {
        ASSERT_NEAR(lse[at], peak + std::log(total), 1e-4) << name;
      }
      for (int64_t d = 0; d < s.size; ++d) {
        const double exact = seen == 0 ? 0 : sum[static_cast<size_t>(d)] / total;
        // bf16 weights have 8 bits, and so has the result.
        const double tolerance = dtype == FL_BFLOAT16 ? 0.02 : 2 * unit(dtype) + 1e-5;
        ASSERT_NEAR(y[at * static_cast<size_t>(s.size) + static_cast<size_t>(d)], exact, tolerance)
            << name << ", dtype " << dtype << ", " << s.queries << " queries, " << s.keys << " keys, size " << s.size;
      }
    }
}

TEST(Attention, every_code_path_equals_the_formula) {
  for (const Shape& shape :
       {Shape{1, 1, 1, 1, 1, false}, Shape{50, 70, 2, 1, 16, false}, Shape{49, 300, 1, 1, 24, true},
        Shape{70, 33, 2, 2, 80, true}, Shape{5, 513, 3, 1, 128, false}, Shape{3, 4, 1, 1, 7, true},
        Shape{2, 9, 1, 1, 256, false}}) {
    for (fl_dtype dtype : kDtypes) {
      for (const Kernels* const* path = runnable_kernels(); *path != nullptr; ++path)
        compare((*path)->attention, (*path)->name, dtype, shape);
      const AttentionKernel& chosen = attention_kernel(dtype);
      ASSERT_TRUE(chosen.serves(dtype));
      compare(chosen, "the chosen one", dtype, shape);
    }
  }
}

// The algorithm of CPUs with AMX, on any CPU.
TEST(Attention, by_plain_tiles_equals_the_formula) {
  const AttentionKernel kernel = Attention<TileDot<PlainTiles>>::table();
  for (const Shape& shape :
       {Shape{1, 1, 1, 1, 1, false}, Shape{65, 70, 2, 1, 16, false}, Shape{33, 300, 1, 1, 24, true},
        Shape{70, 33, 2, 2, 80, true}, Shape{5, 257, 1, 1, 128, false}, Shape{3, 4, 1, 1, 7, true},
        Shape{2, 9, 1, 1, 256, false}})
    compare(kernel, "plain tiles", FL_BFLOAT16, shape);
}

// e^x by whole vectors of the code path of this file: how coarse it is, where it ends, and that no NaN is lost.
TEST(SoftmaxWeights, the_coarse_exponential_is_within_its_bound) {
  for (float x = -87.3f; x <= 0; x += 0.001f) {
    const double exact = std::exp(double{x});
    ASSERT_NEAR(coarse_exponential(broadcast(x))[0], exact, exact * std::exp2(-13)) << x;
  }
  for (const float x : {-87.4f, -1e9f, -kInfinity}) EXPECT_EQ(coarse_exponential(broadcast(x))[0], 0.0f) << x;
  EXPECT_TRUE(std::isnan(coarse_exponential(broadcast(std::numeric_limits<float>::quiet_NaN()))[0]));
}

// Pairs of bf16 are multiplied by an instruction that adds the later half's product first; packed the other way round,
// they add up in the order of plain fused multiply-adds.
TEST(Attention, bf16_pairs_add_in_the_order_of_single_values) {
#if defined(__x86_64__)
  if (!cpu_features().avx512_bf16) GTEST_SKIP() << "this CPU has no instruction for pairs of bf16";
  const int64_t queries = 50, keys = 1100, size = 72;
  const Sample q = sample(FL_BFLOAT16, queries * size, 1), k = sample(FL_BFLOAT16, keys * size, 2),
               v = sample(FL_BFLOAT16, keys * size, 3);
  fl_attention_args args{};
  args.struct_size = sizeof args;
  args.dtype = FL_BFLOAT16, args.segments = args.heads = args.kv_heads = 1, args.head_size = size, args.scale = 0.3f;
  args.q_strides[0] = args.k_strides[0] = args.v_strides[0] = size;
  std::vector<char> outs[2];
  const AttentionKernel* kernels_of[2] = {&kV4Kernels.attention, &kBf16Attention};
  for (int i = 0; i < 2; ++i) {
    outs[i].resize(queries * size * 2);
    const HeadSpan span{q.data(), k.data(), v.data(), outs[i].data(), nullptr, nullptr, queries, keys};
    std::vector<float> packed(kernels_of[i]->packed_bytes(args, keys) / sizeof(float) + 16);
    kernels_of[i]->pack(args, span, packed.data());
    for (int64_t first = 0; first < queries; first += kernels_of[i]->block)
      kernels_of[i]->run(args, span, packed.data(), first);
  }
  EXPECT_EQ(outs[0], outs[1]);
#else
  GTEST_SKIP() << "no instruction for pairs of bf16 is used here";
#endif
}

TEST(Attention, wrong_arguments_are_refused_with_a_text) {
  fl_attention_args args{};
  args.struct_size = sizeof args;
  args.dtype = FL_FLOAT32, args.heads = 3, args.kv_heads = 2, args.head_size = 8;
  EXPECT_EQ(fl_attention(&args), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(fl_last_error()).find("multiple of kv_heads"), std::string::npos);
  args.kv_heads = 3, args.head_size = 257;
  EXPECT_EQ(fl_attention(&args), FL_INVALID_ARGUMENT);
  args.head_size = 8, args.segments = 1;
  EXPECT_EQ(fl_attention(&args), FL_INVALID_ARGUMENT);
  const int64_t falling[] = {0, 4, 2};
  args.q_bounds = args.kv_bounds = falling, args.segments = 2;
  EXPECT_EQ(fl_attention(&args), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(fl_last_error()).find("must not fall"), std::string::npos);
  args.dtype = FL_INT8;
  EXPECT_EQ(fl_attention(&args), FL_UNSUPPORTED);
}

}  // namespace
}  // namespace fl::transformer::testing
